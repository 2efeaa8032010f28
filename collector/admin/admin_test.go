package admin

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/collector/listen"
)

func TestWatchFollowsTheCursors(t *testing.T) {
	w, began := newWatch(time.Minute), time.Unix(1e9, 0)
	for _, step := range []struct {
		at           time.Duration
		end          journal.Offset
		slow, quick  journal.Offset
		want         []string // who is stuck
		wantSlowLag  uint64
		wantSlowRest time.Duration
	}{
		{at: 0, end: 0, want: nil},
		{at: 10 * time.Minute, end: 0, want: nil}, // Nothing to read is no fault.
		{at: 11 * time.Minute, end: 100, quick: 100, want: nil, wantSlowLag: 100, wantSlowRest: time.Minute},
		{at: 12 * time.Minute, end: 200, quick: 150, slow: 10, want: nil, wantSlowLag: 190},
		{at: 13 * time.Minute, end: 300, quick: 200, slow: 10, want: nil, wantSlowLag: 290, wantSlowRest: time.Minute},
		{at: 13*time.Minute + 1, end: 300, quick: 201, slow: 10, want: []string{"slow"}, wantSlowLag: 290, wantSlowRest: time.Minute + 1},
		{at: 14 * time.Minute, end: 300, quick: 300, slow: 10, want: []string{"slow"}, wantSlowLag: 290, wantSlowRest: 2 * time.Minute},
		{at: 15 * time.Minute, end: 300, quick: 300, slow: 11, want: nil, wantSlowLag: 289},
		{at: 16 * time.Minute, end: 300, quick: 300, slow: 300, want: nil},
	} {
		now := began.Add(step.at)
		states := w.look(now, journal.Stats{End: step.end, Cursors: map[string]journal.Offset{"slow": step.slow, "quick": step.quick}})
		if diff := cmp.Diff(step.want, namesOf(w.stuck(states))); diff != "" {
			t.Errorf("at %v: %s", step.at, diff)
		}
		if got := states[1]; got.Name != "slow" || step.end > 100 && (got.Lag != step.wantSlowLag || got.Still != step.wantSlowRest || !got.Since.Equal(now.Add(-got.Still))) {
			t.Errorf("at %v: %+v", step.at, got)
		}
	}
	// A reader that is gone is forgotten.
	now := began.Add(time.Hour)
	if got := w.stuck(w.look(now, journal.Stats{End: 999})); len(got) > 0 || len(w.readers) > 0 {
		t.Errorf("%v, %v", got, w.readers)
	}
}

func TestReadinessSaysWhatIsStuck(t *testing.T) {
	f := start(t)
	began := time.Now().Add(-2 * time.Minute).UTC().Round(time.Second)
	f.tell(
		Destination{Signal: "traces", Name: "vendor", Reader: "export-traces-vendor", FailingSince: began, LastError: "connection refused"},
		Destination{Signal: "logs", Name: "loki", Reader: "export-logs-loki", LastError: "that was long ago"},
	)
	states := []readerState{
		{Name: "derive-red", Lag: 5, Still: time.Minute, Since: began},
		{Name: "export-logs-loki", Lag: 6, Still: 2 * time.Minute, Since: began},
		{Name: "export-traces-vendor", Lag: 7, Still: 2 * time.Minute, Since: began},
		{Name: "other", Lag: 8, Still: 2 * time.Minute, Since: began},
	}
	at := began.Format(time.RFC3339)
	want := readiness{
		Reasons: []string{
			"destination loki of logs is stuck since " + at + " (2m0s), with 6 bytes to read",
			"destination vendor of traces is stuck since " + at + " (2m0s), with 7 bytes to read: connection refused",
			"reader other is stuck since " + at + " (2m0s), with 8 bytes to read",
		},
		Stuck: []stuckReader{
			{Reader: "export-logs-loki", Signal: "logs", Destination: "loki", Since: began, UnreadBytes: 6},
			{Reader: "export-traces-vendor", Signal: "traces", Destination: "vendor", Since: began, UnreadBytes: 7, LastError: "connection refused"},
			{Reader: "other", Since: began, UnreadBytes: 8},
		},
	}
	if diff := cmp.Diff(want, f.admin.readiness(began.Add(2*time.Minute), states)); diff != "" {
		t.Error(diff)
	}
}

func namesOf(states []readerState) (names []string) {
	for _, s := range states {
		names = append(names, s.Name)
	}
	return names
}

func TestWatchWithoutStallAfter(t *testing.T) {
	w, now := newWatch(0), time.Unix(1e9, 0)
	stats := journal.Stats{End: 10, Cursors: map[string]journal.Offset{"slow": 0}}
	w.look(now, stats)
	now = now.Add(time.Hour)
	if got := w.stuck(w.look(now, stats)); len(got) > 0 {
		t.Errorf("%v", got)
	}
}

func TestWatchRefusals(t *testing.T) {
	w, now := newWatch(time.Minute), time.Unix(1e9, 0)
	if got := w.reasons(now, Refusal{now.Add(-refusalLasts + 1), "no room"}); len(got) != 1 || !strings.Contains(got[0], "no room") {
		t.Errorf("after a refusal: %v", got)
	}
	if got := w.reasons(now, Refusal{now.Add(-refusalLasts), "no room"}); len(got) > 0 {
		t.Errorf("a while after a refusal: %v", got)
	}
}

// fixture is an Admin about a journal in memory.
type fixture struct {
	admin   *Admin
	journal *memory.Journal

	mu      sync.Mutex
	refused Refusal
	told    []Destination
}

func (f *fixture) destinations() []Destination {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told
}

func (f *fixture) tell(told ...Destination) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = told
}

func (f *fixture) lastRefusal() Refusal {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refused
}

func (f *fixture) refuse(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused = Refusal{At: at, Reason: "the disk is gone"}
}

func start(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{journal: memory.New(memory.Config{MaxBytes: 4096})}
	own := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "waybill_test_total", Help: "A test."})
	if err := own.Register(counter); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Address = "127.0.0.1:0"
	var err error
	f.admin, err = Start(t.Context(), cfg, Sources{
		Journal: f.journal, Metrics: own, LastRefusal: f.lastRefusal, Destinations: f.destinations,
		Listeners: func() []Listener {
			state := listen.State{Security: "TLS, token", Expires: time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC)}
			state.Trouble = listen.Trouble{At: state.Expires, Reason: "no key"}
			return []Listener{{Key: "here", Name: "OTLP <here>", Addr: &net.TCPAddr{Port: 4318}, State: state}, {Name: "nothing"}}
		},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		f.admin.Shutdown(ctx)
	})
	return f
}

func (f *fixture) get(t *testing.T, path string) (int, string, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+f.admin.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body), response.Header
}

func (f *fixture) wantReadiness(t *testing.T, path string, wantStatus int, want readiness) {
	t.Helper()
	status, body, header := f.get(t, path)
	var got readiness
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%s: %q: %v", path, body, err)
	}
	if diff := cmp.Diff(want, got); diff != "" || status != wantStatus || header.Get("Content-Type") != "application/json" {
		t.Errorf("%s: %d %v %s", path, status, header, diff)
	}
}

func TestHealth(t *testing.T) {
	f := start(t)
	f.wantReadiness(t, "/readyz", 200, readiness{Ready: true, Reasons: []string{}})
	f.wantReadiness(t, "/healthz", 200, readiness{Ready: true, Reasons: []string{}})

	f.refuse(time.Now())
	full := readiness{Reasons: []string{"receivers refuse requests: the disk is gone"}}
	f.wantReadiness(t, "/readyz", 503, full)
	f.wantReadiness(t, "/healthz", 200, full)
	f.refuse(time.Time{})

	f.admin.Stopping()
	f.wantReadiness(t, "/readyz", 503, readiness{Reasons: []string{"the collector is stopping"}})
	if status, body, _ := f.get(t, "/livez"); status != 200 || strings.TrimSpace(body) != `{"live":true}` {
		t.Errorf("/livez: %d %s", status, body)
	}
}

func TestMetricsAndUnknownPaths(t *testing.T) {
	f := start(t)
	if status, body, _ := f.get(t, "/metrics"); status != 200 || !strings.Contains(body, "waybill_test_total 0") {
		t.Errorf("/metrics: %d %s", status, body)
	}
	if status, _, _ := f.get(t, "/nothing"); status != 404 {
		t.Errorf("/nothing: %d", status)
	}
}

func TestStatusPage(t *testing.T) {
	f := start(t)
	reader, err := f.journal.Reader("export-traces")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	if _, err := f.journal.Append(t.Context(), journal.Traces, 1, make([]byte, 2048-40)); err != nil {
		t.Fatal(err)
	}
	status, body, header := f.get(t, "/")
	if status != 200 || header.Get("Content-Security-Policy") == "" {
		t.Errorf("%d %v", status, header)
	}
	for _, want := range []string{
		"<title>Waybill collector: ready</title>", "2 KiB of 4 KiB (50 %)",
		`<td>export-traces</td><td class="n">2 KiB</td>`, "<td>OTLP &lt;here&gt;</td><td>:4318</td><td>TLS, token; certificate until 2026-12-24T00:00:00Z</td>",
		`<td class="t">here</td><td class="t">2026-12-24T00:00:00Z</td><td>no key</td>`, "<td>nothing</td><td>off</td>",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
	since := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	f.tell(Destination{
		Signal: "traces", Name: "default", Reader: "export-traces", Oldest: time.Now().Add(-2 * time.Hour),
		FailingSince: since, LastError: "no <route>", LastErrorAt: since.Add(time.Minute),
	})
	_, body, _ = f.get(t, "/")
	for _, want := range []string{
		`<td class="n">2h0m`, `traces → default</td><td class="t">2026-11-24T12:01:00Z</td><td>no &lt;route&gt;</td>`, `class="title" x="674" y="67">traces → default</text>`, `<rect class="box bad"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
	f.refuse(time.Now())
	if _, body, _ := f.get(t, "/"); !strings.Contains(body, "<li>receivers refuse requests: the disk is gone</li>") || !strings.Contains(body, `<rect class="fill bad"`) {
		t.Errorf("no reason in\n%s", body)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 128 << 20: "128 MiB", 2 << 30: "2 GiB", 5 << 50: "5120 TiB",
	} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
		if got := size(int64(n)); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}
