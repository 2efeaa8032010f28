package user

import (
	"context"
	"errors"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// maxText is how long a name or an address may be, in bytes.
const maxText = 100

// RegisterUser implements UserService.
func (s *Server) RegisterUser(ctx context.Context, r *userv1.RegisterUserRequest) (*userv1.RegisterUserResponse, error) {
	email := strings.ToLower(r.GetEmail())
	if wrong := registrable(r.GetName(), email, r.GetPassword()); wrong != "" {
		return nil, platform.RPCError(codes.InvalidArgument, platform.ReasonInvalid, wrong, nil)
	}
	hash, err := hashPassword(r.GetPassword())
	if err != nil {
		return nil, err
	}
	u := User{
		ID: platform.NewID("usr"), Name: r.GetName(), Email: email,
		CreatedAt: s.now().UTC().Truncate(time.Millisecond), passwordHash: hash,
	}
	err = s.store.Register(ctx, u)
	if errors.Is(err, ErrEmailTaken) {
		return nil, platform.RPCError(codes.AlreadyExists, platform.ReasonEmailTaken, err.Error(), nil)
	}
	if err != nil {
		return nil, err
	}
	return &userv1.RegisterUserResponse{User: u.message()}, nil
}

// registrable says what is wrong with what a new user has given, or nothing.
func registrable(name, email, password string) string {
	address, err := mail.ParseAddress(email)
	switch {
	case strings.TrimSpace(name) == "" || len(name) > maxText || !utf8.ValidString(name) || !legible(name):
		return "a name is required, at most 100 bytes of it, without control characters"
	case err != nil || address.Address != email || len(email) > maxText || !legible(email):
		return "an email address is required, at most 100 bytes of it, without control characters"
	case len(password) < minPassword || len(password) > maxPassword:
		return "a password must have 8 to 72 bytes"
	default:
		return ""
	}
}

// legible says that a text has no control characters: nobody's name has any, and a
// NUL is not even to be looked for in PostgreSQL.
func legible(text string) bool { return !strings.ContainsFunc(text, unicode.IsControl) }

// SignIn implements UserService. Blocked users may sign in: they see their
// orders, and that they may not order.
func (s *Server) SignIn(ctx context.Context, r *userv1.SignInRequest) (*userv1.SignInResponse, error) {
	u, err := User{}, ErrUnknown
	if legible(r.GetEmail()) {
		u, err = s.store.FindEmail(ctx, strings.ToLower(r.GetEmail()))
	}
	if err != nil && !errors.Is(err, ErrUnknown) {
		return nil, err
	}
	right, err := passwordIs(u.passwordHash, r.GetPassword())
	if err != nil {
		return nil, err
	}
	if !right {
		return nil, platform.RPCError(codes.Unauthenticated, platform.ReasonWrongCredentials, "the email address or the password is wrong", nil)
	}
	token, expires, err := s.signer.token(ctx, u.ID)
	if err != nil {
		return nil, err
	}
	return &userv1.SignInResponse{Token: token, ExpiresAt: timestamppb.New(expires), User: u.message()}, nil
}

// SigningKeys implements UserService.
func (s *Server) SigningKeys(context.Context, *userv1.SigningKeysRequest) (*userv1.SigningKeysResponse, error) {
	answer := &userv1.SigningKeysResponse{}
	for id, key := range s.signer.public() {
		answer.Keys = append(answer.Keys, &userv1.SigningKey{Id: id, PublicKey: key})
	}
	return answer, nil
}
