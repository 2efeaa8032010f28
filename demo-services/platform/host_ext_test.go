package platform_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/pgtest"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
)

func startHost(t *testing.T, setup func(*platform.Host) error) *platform.Host {
	t.Helper()
	host, err := platform.Start(t.Context(), platformtest.Telemetry(t), setup)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Shutdown(context.WithoutCancel(t.Context())) })
	return host
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(raw)
}

func TestHealthFollowsTheDatabase(t *testing.T) {
	var db *platform.DB
	host := startHost(t, func(h *platform.Host) (err error) {
		dir := t.TempDir()
		table := &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE things (id TEXT);")}
		db, err = h.OpenDB(t.Context(), platform.Source{URL: pgtest.URL(t), Dir: dir, Name: pgtest.Name(dir)}, func() (fs.FS, error) {
			return fstest.MapFS{"sqlite/1_things.sql": table, "postgresql/1_things.sql": table}, nil
		})
		if err != nil {
			return err
		}
		return h.ServeAdmin(t.Context(), "127.0.0.1:0")
	})
	base := "http://" + host.AdminAddr().String()
	if code, body := get(t, base+"/healthz"); code != http.StatusOK || !strings.Contains(body, `"ok"`) {
		t.Errorf("healthy: %d %s", code, body)
	}
	if code, body := get(t, base+"/metrics"); code != http.StatusOK || !strings.Contains(body, "go_goroutines") {
		t.Errorf("metrics: %d %.100s", code, body)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if code, body := get(t, base+"/healthz"); code != http.StatusServiceUnavailable {
		t.Errorf("without a database: %d %s", code, body)
	}
}

func TestHTTPServiceAnswersBesideItsHealth(t *testing.T) {
	host := startHost(t, func(h *platform.Host) error {
		return h.ServeHTTP(t.Context(), "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			platform.WriteProblem(w, r, platform.Problem{Status: http.StatusTeapot, Code: "teapot"})
		}))
	})
	base := "http://" + host.Addr().String()
	if code, body := get(t, base+"/coffee"); code != http.StatusTeapot || !strings.Contains(body, `"instance":"/coffee"`) {
		t.Errorf("service: %d %s", code, body)
	}
	if code, _ := get(t, base+"/healthz"); code != http.StatusOK {
		t.Errorf("healthz: %d", code)
	}
}

// users answers ValidateUser by what the id asks for.
type users struct {
	userv1.UnimplementedUserServiceServer
}

func (users) ValidateUser(ctx context.Context, r *userv1.ValidateUserRequest) (*userv1.ValidateUserResponse, error) {
	switch r.GetUserId() {
	case "panics":
		panic("secret")
	case "fails":
		return nil, errors.Join(errors.New("secret"), sql.ErrConnDone)
	case "refuses":
		return nil, platform.RPCError(codes.NotFound, platform.ReasonUnknownUser, "unknown user", map[string]string{"id": "refuses"})
	case "hangs":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &userv1.ValidateUserResponse{}, nil
}

func TestCallsAnswerWithAStatus(t *testing.T) {
	host := startHost(t, func(h *platform.Host) error {
		return h.ServeGRPC(t.Context(), "127.0.0.1:0", func(r grpc.ServiceRegistrar) { userv1.RegisterUserServiceServer(r, users{}) })
	})
	var conn *grpc.ClientConn
	startHost(t, func(h *platform.Host) (err error) {
		conn, err = h.Dial(host.Addr().String())
		return err
	})
	client := userv1.NewUserServiceClient(conn)
	for _, c := range []struct {
		id     string
		within time.Duration
		code   codes.Code
		reason string
	}{
		{"ada", patience, codes.OK, ""},
		{"panics", patience, codes.Internal, ""},
		{"fails", patience, codes.Internal, ""},
		{"refuses", patience, codes.NotFound, platform.ReasonUnknownUser},
		{"hangs", 50 * time.Millisecond, codes.DeadlineExceeded, ""},
		{"ada", patience, codes.OK, ""}, // The server goes on.
	} {
		ctx, cancel := context.WithTimeout(t.Context(), c.within)
		_, err := client.ValidateUser(ctx, &userv1.ValidateUserRequest{UserId: c.id})
		cancel()
		reason, _ := platform.ReasonOf(err)
		if status.Code(err) != c.code || reason != c.reason {
			t.Errorf("%s: %v, want %v with reason %q", c.id, err, c.code, c.reason)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the client learns too much: %v", c.id, err)
		}
	}
	answer, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil || answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", answer, err)
	}
}

func TestFailedSetupIsUndone(t *testing.T) {
	closed := false
	boom := errors.New("boom")
	_, err := platform.Start(t.Context(), platformtest.Telemetry(t), func(h *platform.Host) error {
		h.OnClose(func() error { closed = true; return nil })
		h.Go(func(ctx context.Context) { <-ctx.Done() })
		return boom
	})
	if !errors.Is(err, boom) || !closed {
		t.Errorf("error %v, closed %v", err, closed)
	}
}

func TestTakenAddressIsNamed(t *testing.T) {
	host := startHost(t, func(h *platform.Host) error { return h.ServeAdmin(t.Context(), "127.0.0.1:0") })
	taken := host.AdminAddr().String()
	_, err := platform.Start(t.Context(), platformtest.Telemetry(t), func(h *platform.Host) error {
		return h.ServeHTTP(t.Context(), taken, http.NotFoundHandler())
	})
	if err == nil || !strings.Contains(err.Error(), taken) {
		t.Errorf("error %v, want one that names %s", err, taken)
	}
}
