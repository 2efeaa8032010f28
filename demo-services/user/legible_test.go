package user

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// TestControlCharacters has them where clients may write, and the same answers on
// both databases, one of which can't hold a NUL.
func TestControlCharacters(t *testing.T) {
	server := newServer(t)
	for name, c := range map[string]struct {
		err    error
		code   codes.Code
		reason string
	}{
		"NUL in a name": {
			second(server.RegisterUser(t.Context(), &userv1.RegisterUserRequest{Name: "A\x00da", Email: "x@example.com", Password: "long enough"})),
			codes.InvalidArgument, platform.ReasonInvalid,
		},
		"name of two lines": {
			second(server.RegisterUser(t.Context(), &userv1.RegisterUserRequest{Name: "Ada\r\nBcc: eve@example.com", Email: "x@example.com", Password: "long enough"})),
			codes.InvalidArgument, platform.ReasonInvalid,
		},
		"NUL in an address": {
			second(server.RegisterUser(t.Context(), &userv1.RegisterUserRequest{Name: "Ada", Email: "a\x00@example.com", Password: "long enough"})),
			codes.InvalidArgument, platform.ReasonInvalid,
		},
		"NUL in an id":    {second(server.GetUser(t.Context(), &userv1.GetUserRequest{UserId: "usr_ada\x00"})), codes.NotFound, platform.ReasonUnknownUser},
		"NUL in a cursor": {second(server.ListUsers(t.Context(), &userv1.ListUsersRequest{After: "\x00"})), codes.InvalidArgument, platform.ReasonInvalid},
		"NUL signs in": {
			second(server.SignIn(t.Context(), &userv1.SignInRequest{Email: "ada\x00@example.com", Password: DemoPassword})),
			codes.Unauthenticated, platform.ReasonWrongCredentials,
		},
	} {
		if reason, _ := platform.ReasonOf(c.err); status.Code(c.err) != c.code || reason != c.reason {
			t.Errorf("%s: %v with reason %q", name, c.err, reason)
		}
	}
}

func second[T any](_ T, err error) error { return err }
