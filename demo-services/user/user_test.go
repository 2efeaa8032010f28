package user

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
)

// newServer is a server with the seed's users.
func newServer(t *testing.T) *Server {
	t.Helper()
	db := platformtest.OpenDB(t, t.TempDir(), Migrations)
	store := NewStore(db, platform.NewOutbox(db, propagation.TraceContext{}))
	if err := store.AddSeed(t.Context(), noop.NewTracerProvider()); err != nil {
		t.Fatal(err)
	}
	server, err := NewServer(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func TestValidateUser(t *testing.T) {
	server := newServer(t)
	if err := server.store.AddSeed(t.Context(), noop.NewTracerProvider()); err != nil { // A second start finds the users there.
		t.Fatal(err)
	}
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

// TestSeedIsToldOf has the shop learn of the seed's users as of any others: once,
// although several instances start with the same database.
func TestSeedIsToldOf(t *testing.T) {
	exporter := tracetest.NewInMemoryExporter()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	dir := t.TempDir()
	var db *platform.DB
	var starting sync.WaitGroup
	for range 2 {
		db = platformtest.OpenDB(t, dir, Migrations)
		store := NewStore(db, platform.NewOutbox(db, propagation.TraceContext{}))
		starting.Go(func() {
			if err := store.AddSeed(t.Context(), tp); err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
	var want, got []string
	for _, u := range Seed() {
		want = append(want, fmt.Sprintf(`users.created {"user_id":%q} %v`, u.ID, u.CreatedAt))
	}
	for _, told := range platformtest.OutboxOf(t, db) {
		got = append(got, fmt.Sprintf("%s %s %v", told.Subject, told.Event.Data, told.Event.Time))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for _, span := range exporter.GetSpans() {
		if span.Name != "add seed users" || span.Parent.IsValid() {
			t.Errorf("span %q below %v", span.Name, span.Parent)
		}
	}
}

func TestUsersAreListed(t *testing.T) {
	server := newServer(t)
	var ids []string
	for more := true; more; {
		request := &userv1.ListUsersRequest{Limit: 6}
		if len(ids) > 0 {
			request.After = ids[len(ids)-1]
		}
		answer, err := server.ListUsers(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range answer.GetUsers() {
			ids = append(ids, u.GetId())
		}
		more = answer.GetMore()
	}
	if len(ids) != len(Seed()) || !slices.IsSorted(ids) {
		t.Errorf("users are %v", ids)
	}
	answer, err := server.GetUser(t.Context(), &userv1.GetUserRequest{UserId: BlockedID})
	if err != nil || !answer.GetUser().GetBlocked() || answer.GetUser().GetCreatedAt().AsTime().Year() != 2026 {
		t.Errorf("user is %v, %v", answer, err)
	}
	if _, err := server.GetUser(t.Context(), &userv1.GetUserRequest{UserId: "usr_nobody"}); status.Code(err) != codes.NotFound {
		t.Errorf("unknown user: %v", err)
	}
	if _, err := server.ListUsers(t.Context(), &userv1.ListUsersRequest{Limit: maxLimit + 1}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("too many: %v", err)
	}
}
