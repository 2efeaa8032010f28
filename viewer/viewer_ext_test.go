package viewer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/file"
	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/viewer"
	"github.com/waybill-dev/waybill/viewer/viewertest"
)

// start runs a viewer of the journal until the test ends.
func start(t *testing.T, j journal.Journal, alter func(*viewer.Config), options ...viewer.Option) *viewer.Viewer {
	t.Helper()
	cfg := viewer.DefaultConfig()
	cfg.Address = "127.0.0.1:0"
	if alter != nil {
		alter(&cfg)
	}
	v, err := viewer.Start(t.Context(), cfg, j, slog.New(slog.DiscardHandler), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := v.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return v
}

// answer is a response that has been read.
type answer struct {
	status int
	header http.Header
	body   string
}

// get asks the viewer over its listener.
func get(t *testing.T, v *viewer.Viewer, path string) answer {
	t.Helper()
	return getAs(t, v, "", path)
}

// getAs is get by a name of the viewer's; an empty one is its address.
func getAs(t *testing.T, v *viewer.Viewer, host, path string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+v.Addr().String()+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

type health struct {
	Status, Fault string
	Behind        uint64 `json:"behind_bytes"`
	Traces        int
}

// await waits until the health fits.
func await(t *testing.T, v *viewer.Viewer, fits func(health) bool) {
	t.Helper()
	var h health
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		h = health{}
		if err := json.Unmarshal([]byte(get(t, v, "/healthz").body), &h); err != nil {
			t.Fatal(err)
		}
		if fits(h) {
			return
		}
	}
	t.Fatalf("the viewer's health stays at %+v", h)
}

// appendTraces appends traces of one span, numbered from first on.
func appendTraces(t *testing.T, j journal.Journal, first, count int) {
	t.Helper()
	for n := first; n < first+count; n++ {
		viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("gateway"),
			viewertest.Span(n, 1, 0, fmt.Sprint("op-", n), time.Now(), time.Millisecond)))
	}
}

func TestViewerFollowsAJournalThatIsWritten(t *testing.T) {
	j := memory.New(memory.Config{})
	appendTraces(t, j, 0, 50)
	v := start(t, j, nil)
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() { appendTraces(t, j, 50+w*50, 50) })
	}
	for range 20 {
		if got := get(t, v, "/api/traces?service=gateway&limit=300"); got.status != http.StatusOK {
			t.Errorf("while it is written: %d\n%s", got.status, got.body)
		}
	}
	writers.Wait()
	await(t, v, func(h health) bool { return h.Status == "ok" && h.Traces == 250 && h.Behind == 0 })
	body := get(t, v, "/api/traces/"+viewertest.TraceID(249).String()).body
	if !strings.Contains(body, `"operationName":"op-249"`) {
		t.Errorf("the last trace:\n%s", body)
	}
}

func TestViewerStaysWithinItsBounds(t *testing.T) {
	j := memory.New(memory.Config{})
	v := start(t, j, func(cfg *viewer.Config) { cfg.MaxTraces = 10 })
	appendTraces(t, j, 0, 100)
	await(t, v, func(h health) bool { return h.Behind == 0 && h.Traces == 10 })
	if got := get(t, v, "/api/traces/"+viewertest.TraceID(5).String()); got.status != http.StatusNotFound {
		t.Errorf("a trace that the index let go: %d", got.status)
	}
}

func TestViewerForgetsWhatTheJournalDeletes(t *testing.T) {
	cfg := file.DefaultConfig()
	cfg.Dir, cfg.Sync, cfg.MaxBytes, cfg.SegmentBytes = t.TempDir(), file.SyncNever, 64<<10, 4<<10
	j, err := file.Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	v := start(t, j, nil)
	appendTraces(t, j, 0, 1000)
	// A record takes at least 100 of the journal's 65536 bytes.
	await(t, v, func(h health) bool { return h.Behind == 0 && h.Traces > 50 && h.Traces < 656 })
	if got := get(t, v, "/api/traces/"+viewertest.TraceID(1).String()); got.status != http.StatusNotFound {
		t.Errorf("a trace that the journal has deleted: %d", got.status)
	}
}

func TestViewerTellsBrowsersWhatNotToDo(t *testing.T) {
	v := start(t, memory.New(memory.Config{}), nil)
	header := get(t, v, "/healthz").header
	policy := header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'self'", "script-src 'self';", "style-src 'self';"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("policy: %q", policy)
	}
	if got := header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("X-Content-Type-Options: %q", got)
	}
	if got := getAs(t, v, "evil.example", "/api/services"); got.status != http.StatusForbidden || strings.Contains(got.body, "data") {
		t.Errorf("for a foreign name: %d %s", got.status, got.body)
	}
}

func TestViewerCountsItself(t *testing.T) {
	j := memory.New(memory.Config{})
	appendTraces(t, j, 0, 7)
	v := start(t, j, nil)
	await(t, v, func(h health) bool { return h.Traces == 7 && h.Behind == 0 })
	body := get(t, v, "/metrics").body
	for _, want := range []string{
		"waybill_viewer_traces 7", "waybill_viewer_spans_total 7", "waybill_viewer_journal_readable 1",
		"waybill_viewer_journal_behind_bytes 0", "waybill_viewer_duplicate_spans_total 0", "waybill_viewer_dropped_traces_total 0",
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("metrics lack %q:\n%s", want, body)
		}
	}
}

func TestStartRefuses(t *testing.T) {
	f := func(name string, alter func(*viewer.Config)) {
		t.Helper()
		cfg := viewer.DefaultConfig()
		alter(&cfg)
		if v, err := viewer.Start(t.Context(), cfg, memory.New(memory.Config{}), slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: it started on %v", name, v.Addr())
		}
	}
	f("an address without a port", func(c *viewer.Config) { c.Address = "127.0.0.1" })
	f("a URL for a host", func(c *viewer.Config) { c.Address, c.Hosts = "127.0.0.1:0", []string{"https://traces.example.org"} })
	f("any host", func(c *viewer.Config) { c.Address, c.Hosts = "127.0.0.1:0", []string{"*"} })
	f("no traces", func(c *viewer.Config) { c.Address, c.MaxTraces = "127.0.0.1:0", 0 })
	f("no memory", func(c *viewer.Config) { c.Address, c.MaxBytes = "127.0.0.1:0", 1000 })
	taken := start(t, memory.New(memory.Config{}), nil)
	f("a port that is taken", func(c *viewer.Config) { c.Address = taken.Addr().String() })
	closed := memory.New(memory.Config{})
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := viewer.DefaultConfig()
	cfg.Address = "127.0.0.1:0"
	if _, err := viewer.Start(t.Context(), cfg, closed, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a journal that is closed: it started")
	}
}

func TestShutdownCutsOffWhatDoesNotEnd(t *testing.T) {
	j := memory.New(memory.Config{})
	cfg := viewer.DefaultConfig()
	cfg.Address = "127.0.0.1:0"
	v, err := viewer.Start(t.Context(), cfg, j, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	// A client that never ends its request.
	slow, err := new(net.Dialer).DialContext(t.Context(), "tcp", v.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close() //nolint:errcheck // the viewer has cut it off
	if _, err := io.WriteString(slow, "GET / HTTP/1.1\r\nHost: localhost\r\n"); err != nil {
		t.Fatal(err)
	}
	await(t, v, func(h health) bool { return h.Status == "ok" }) // so it has been accepted
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := v.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown: %v", err)
	}
	if err := slow.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(slow); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is still open")
	}
	if _, err := new(net.Dialer).DialContext(t.Context(), "tcp", v.Addr().String()); err == nil {
		t.Error("it still listens")
	}
	// The journal is the caller's, and goes on.
	appendTraces(t, j, 0, 1)
}
