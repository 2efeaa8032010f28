package user

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
)

func TestValidateUser(t *testing.T) {
	store := NewStore(platformtest.OpenDB(t, t.TempDir(), Migrations))
	for range 2 { // A second start finds the users there.
		if err := store.Add(t.Context(), Seed()); err != nil {
			t.Fatal(err)
		}
	}
	server := NewServer(store)
	for id, want := range map[string]struct {
		code   codes.Code
		reason string
	}{
		"usr_ada":     {codes.OK, ""},
		"usr_mallory": {codes.FailedPrecondition, platform.ReasonUserBlocked},
		"usr_nobody":  {codes.NotFound, platform.ReasonUnknownUser},
		"":            {codes.NotFound, platform.ReasonUnknownUser},
	} {
		answer, err := server.ValidateUser(t.Context(), &userv1.ValidateUserRequest{UserId: id})
		reason, _ := platform.ReasonOf(err)
		if status.Code(err) != want.code || reason != want.reason {
			t.Errorf("%q: %v with reason %q, want %v with %q", id, status.Code(err), reason, want.code, want.reason)
		}
		if err == nil && answer.GetUser().GetEmail() != "ada@example.com" {
			t.Errorf("%q: user is %v", id, answer.GetUser())
		}
	}
}
