// Package user knows the shop's customers and who of them may order.
package user

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// How many users are listed.
const (
	defaultLimit = 50
	maxLimit     = 200
)

// Server implements UserService. Safe for concurrent use.
type Server struct {
	userv1.UnimplementedUserServiceServer
	store  *Store
	signer *signer
	now    func() time.Time
}

// NewServer returns a server on the store, with the keys that it finds there.
func NewServer(ctx context.Context, store *Store) (*Server, error) {
	signer, err := openSigner(ctx, store.db, time.Now)
	if err != nil {
		return nil, err
	}
	return &Server{store: store, signer: signer, now: time.Now}, nil
}

// ValidateUser implements UserService.
func (s *Server) ValidateUser(ctx context.Context, r *userv1.ValidateUserRequest) (*userv1.ValidateUserResponse, error) {
	u, err := s.find(ctx, r.GetUserId())
	if err != nil {
		return nil, err
	}
	if u.Blocked {
		return nil, platform.RPCError(codes.FailedPrecondition, platform.ReasonUserBlocked, "the user may not order", nil)
	}
	return &userv1.ValidateUserResponse{User: u.message()}, nil
}

// GetUser implements UserService.
func (s *Server) GetUser(ctx context.Context, r *userv1.GetUserRequest) (*userv1.GetUserResponse, error) {
	u, err := s.find(ctx, r.GetUserId())
	if err != nil {
		return nil, err
	}
	return &userv1.GetUserResponse{User: u.message()}, nil
}

// ListUsers implements UserService.
func (s *Server) ListUsers(ctx context.Context, r *userv1.ListUsersRequest) (*userv1.ListUsersResponse, error) {
	limit := int(r.GetLimit())
	if limit == 0 {
		limit = defaultLimit
	}
	if limit < 0 || limit > maxLimit || !legible(r.GetAfter()) {
		return nil, platform.RPCError(codes.InvalidArgument, platform.ReasonInvalid, "limit must be 0 to 200, and after without control characters", nil)
	}
	users, err := s.store.List(ctx, r.GetAfter(), limit+1) // One more tells whether there are more.
	if err != nil {
		return nil, err
	}
	answer := &userv1.ListUsersResponse{More: len(users) > limit}
	for _, u := range users[:min(len(users), limit)] {
		answer.Users = append(answer.Users, u.message())
	}
	return answer, nil
}

// find reads the user, or returns what a client is told without one.
func (s *Server) find(ctx context.Context, id string) (User, error) {
	u, err := User{}, ErrUnknown
	if legible(id) {
		u, err = s.store.Find(ctx, id)
	}
	if errors.Is(err, ErrUnknown) {
		return u, platform.RPCError(codes.NotFound, platform.ReasonUnknownUser, "unknown user", nil)
	}
	return u, err
}

// message is the user as the API shows it.
func (u User) message() *userv1.User {
	return &userv1.User{Id: u.ID, Name: u.Name, Email: u.Email, Blocked: u.Blocked, CreatedAt: timestamppb.New(u.CreatedAt)}
}
