// Package user knows the shop's customers and who of them may order.
package user

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"

	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// Server implements UserService. Safe for concurrent use.
type Server struct {
	userv1.UnimplementedUserServiceServer
	store *Store
}

// NewServer returns a server on the store.
func NewServer(store *Store) *Server { return &Server{store: store} }

// ValidateUser implements UserService.
func (s *Server) ValidateUser(ctx context.Context, r *userv1.ValidateUserRequest) (*userv1.ValidateUserResponse, error) {
	u, err := s.store.Find(ctx, r.GetUserId())
	switch {
	case errors.Is(err, ErrUnknown):
		return nil, platform.RPCError(codes.NotFound, platform.ReasonUnknownUser, "unknown user", nil)
	case err != nil:
		return nil, err
	case u.Blocked:
		return nil, platform.RPCError(codes.FailedPrecondition, platform.ReasonUserBlocked, "the user may not order", nil)
	}
	return &userv1.ValidateUserResponse{User: &userv1.User{Id: u.ID, Name: u.Name, Email: u.Email}}, nil
}
