package export

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
)

// rig is a forwarder of traces between a journal in memory and a backend.
type rig struct {
	t       *testing.T
	journal *memory.Journal
	backend *exporttest.Backend
	reg     *prometheus.Registry
	log     *logBuffer
	cfg     Config
	running *Exporters
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, journal: memory.New(memory.Config{}), backend: exporttest.New(t), log: &logBuffer{}, cfg: DefaultConfig()}
	r.cfg.Traces[0].Endpoint = r.backend.URL()
	t.Cleanup(r.stop)
	return r
}

// start begins to forward, with little patience.
func (r *rig) start() {
	r.t.Helper()
	r.reg = prometheus.NewRegistry()
	quick := patience{first: time.Millisecond, most: 20 * time.Millisecond, silent: 20 * time.Millisecond, unsure: 50 * time.Millisecond}
	running, err := start(r.cfg, r.journal, r.reg, slog.New(slog.NewTextHandler(r.log, nil)), quick)
	if err != nil {
		r.t.Fatal(err)
	}
	r.running = running
}

func (r *rig) stop() {
	if r.running == nil {
		return
	}
	if err := r.running.Shutdown(context.Background()); err != nil {
		r.t.Errorf("Shutdown: %v", err)
	}
	r.running = nil
}

// append puts a request with one span of each name into the journal.
func (r *rig) append(names ...string) {
	r.t.Helper()
	var spans []*tracepb.Span
	for _, name := range names {
		spans = append(spans, &tracepb.Span{Name: name})
	}
	payload, err := proto.Marshal(&coltracepb.ExportTraceServiceRequest{
		ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}}}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.appendRaw(journal.Traces, len(names), payload)
}

func (r *rig) appendRaw(signal journal.Signal, items int, payload []byte) {
	r.t.Helper()
	if _, err := r.journal.Append(r.t.Context(), signal, uint32(items), payload); err != nil {
		r.t.Fatal(err)
	}
}

// names are the spans that the backend has, in order.
func (r *rig) names() []string {
	names := []string{}
	for _, span := range r.backend.Spans(r.t) {
		names = append(names, span.GetName())
	}
	return names
}

func (r *rig) waitFor(names ...string) {
	r.t.Helper()
	r.backend.Wait(r.t, fmt.Sprint(names), func() bool { return len(r.names()) >= len(names) })
	if diff := cmp.Diff(names, r.names()); diff != "" {
		r.t.Fatal(diff)
	}
}

// waitCommitted waits until the cursor is at the journal's end.
func (r *rig) waitCommitted() {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if stats := r.journal.Stats(); stats.Cursors["export-traces"] == stats.End {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("the cursor is not at the end: %+v", r.journal.Stats())
		}
	}
}

// items is waybill_export_items_total of traces.
func (r *rig) items(outcome string) float64 { return r.metric("items_total", "outcome", outcome) }

func (r *rig) metric(name string, labels ...string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "waybill_export_"+name {
			continue
		}
		for _, m := range family.GetMetric() {
			got := map[string]string{}
			for _, l := range m.GetLabel() {
				got[l.GetName()] = l.GetValue()
			}
			if got["signal"] == "traces" && (len(labels) == 0 || got[labels[0]] == labels[1]) {
				return m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	r.t.Fatalf("no metric %s %v", name, labels)
	return 0
}

type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestForward(t *testing.T) {
	for _, compression := range []Compression{Gzip, Zstd, NoCompression} {
		t.Run(string(compression), func(t *testing.T) {
			r := newRig(t)
			r.cfg.Traces[0].Compression = compression
			r.cfg.Traces[0].Headers = map[string]Secret{"authorization": "Bearer x", "X-Scope-OrgID": "shop"}
			r.append("a", "b")
			r.appendRaw(journal.Logs, 1, []byte("no traces"))
			r.append("c")
			r.start()
			r.waitFor("a", "b", "c")
			r.appendRaw(journal.Metrics, 1, []byte("no traces"))
			r.append("d")
			r.waitFor("a", "b", "c", "d")
			r.waitCommitted()

			requests := r.backend.Taken("")
			if len(requests) != 2 || requests[0].Path != "/v1/traces" {
				t.Fatalf("%d requests, the first to %s; want records that wait to go as one", len(requests), requests[0].Path)
			}
			for name, want := range map[string]string{
				"Content-Type": "application/x-protobuf", "Authorization": "Bearer x", "X-Scope-Orgid": "shop", "User-Agent": "waybill-collector",
			} {
				if got := requests[0].Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if got := requests[0].Header.Get("Content-Encoding"); got != string(compression) && (got != "" || compression != NoCompression) {
				t.Errorf("Content-Encoding: %q", requests[0].Header.Get("Content-Encoding"))
			}
			if got := r.items("sent"); got != 4 {
				t.Errorf("%v items sent, want 4", got)
			}
			if problems, err := testutil.GatherAndLint(r.reg); err != nil || len(problems) > 0 {
				t.Errorf("metrics: %v, %v", problems, err)
			}
		})
	}
}

func TestBatchesAreBounded(t *testing.T) {
	r := newRig(t)
	r.cfg.Traces[0].MaxBatchBytes = 1000
	var want []string
	for i := range 100 {
		want = append(want, fmt.Sprintf("%0100d", i))
		r.append(want[i])
	}
	want = append(want, strings.Repeat("x", 5000))
	r.append(want[100])
	r.start()
	r.waitFor(want...)
	for _, request := range r.backend.Taken("") {
		if n := len(request.Body); n > 1000 && n < 5000 {
			t.Errorf("a batch of %d bytes", n)
		}
	}
}

func TestRetriesUntilItIsTaken(t *testing.T) {
	answers := map[string]exporttest.Answer{
		"hang up":      {HangUp: true},
		"redirect":     {Status: http.StatusTemporaryRedirect, Header: map[string]string{"Location": "/elsewhere"}},
		"unauthorized": {Status: http.StatusUnauthorized},
		"not found":    {Status: http.StatusNotFound},
		"too many":     {Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "0"}},
		"bad gateway":  {Status: http.StatusBadGateway},
		"unavailable":  {Status: http.StatusServiceUnavailable},
		"timeout":      {Status: http.StatusGatewayTimeout},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.backend.Decide(func(exporttest.Request) exporttest.Answer { return answer })
			r.append("a")
			r.start()
			r.backend.Wait(t, "attempts", func() bool { return r.backend.Refused() >= 5 })
			r.append("b")
			r.backend.Up()
			r.waitFor("a", "b")
			r.waitCommitted()
			if got := r.items("dropped"); got != 0 {
				t.Errorf("%v items dropped", got)
			}
			if got := r.metric("retries_total"); got < 4 {
				t.Errorf("%v retries", got)
			}
			if got := strings.Count(r.log.String(), "backend is not to be had"); got != 1 {
				t.Errorf("logged %d times that the backend is down:\n%s", got, r.log)
			}
			if !strings.Contains(r.log.String(), "backend is back") {
				t.Errorf("not logged that it is back:\n%s", r.log)
			}
		})
	}
}

func TestRetriesWhenNobodyListens(t *testing.T) {
	r := newRig(t)
	gone := exporttest.New(t).URL() + "0" // A port that does not exist.
	r.cfg.Traces[0].Endpoint = gone
	r.append("a")
	r.start()
	for deadline := time.Now().Add(30 * time.Second); r.metric("retries_total") < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no retries")
		}
	}
	r.stop()
	r.cfg.Traces[0].Endpoint = r.backend.URL()
	r.start()
	r.waitFor("a")
}

func TestTimeoutIsRetried(t *testing.T) {
	r := newRig(t)
	r.cfg.Traces[0].Timeout = 50 * time.Millisecond
	slow := make(chan struct{})
	var once sync.Once
	t.Cleanup(func() { once.Do(func() { close(slow) }) })
	r.backend.Decide(func(exporttest.Request) exporttest.Answer {
		<-slow
		return exporttest.Answer{Status: http.StatusServiceUnavailable}
	})
	r.append("a")
	r.start()
	for deadline := time.Now().Add(30 * time.Second); r.metric("retries_total") < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no retries")
		}
	}
	once.Do(func() { close(slow) })
	r.backend.Up()
	r.backend.Wait(t, "the span", func() bool { return slices.Contains(r.names(), "a") })
}

func TestRetryAfterIsObeyed(t *testing.T) {
	r := newRig(t)
	var times []time.Time
	r.backend.Decide(func(exporttest.Request) exporttest.Answer {
		times = append(times, time.Now())
		if len(times) > 1 {
			return exporttest.Answer{}
		}
		return exporttest.Answer{Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "1"}}
	})
	r.append("a")
	r.start()
	r.waitFor("a")
	if waited := times[1].Sub(times[0]); waited < time.Second {
		t.Errorf("came again after %v, was asked to wait for 1 s", waited)
	}
}

// TestOnlyTheBadRecordIsDropped has a backend that refuses every request in
// which some span is bad.
func TestOnlyTheBadRecordIsDropped(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity, http.StatusInternalServerError} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			r := newRig(t)
			var want []string
			for i := range 100 {
				name := fmt.Sprintf("good-%d", i)
				if i == 0 || i == 37 || i == 38 || i == 99 {
					name = fmt.Sprintf("bad-%d", i)
				} else {
					want = append(want, name, "other")
				}
				r.append(name, "other")
			}
			r.backend.Decide(func(request exporttest.Request) exporttest.Answer {
				if strings.Contains(string(request.Body), "bad-") {
					return exporttest.Answer{Status: status, Header: map[string]string{"Content-Type": "text/plain"}, Body: []byte("I want none of it")}
				}
				return exporttest.Answer{}
			})
			r.start()
			r.waitFor(want...)
			r.waitCommitted()
			r.append("last")
			r.waitFor(append(want, "last")...)
			r.waitCommitted()
			if got := r.items("dropped"); got != 8 {
				t.Errorf("%v items dropped, want 8", got)
			}
			if got := r.items("sent"); got != 193 {
				t.Errorf("%v items sent, want 193", got)
			}
			if got := strings.Count(r.log.String(), "dropped what the backend will not take"); got != 1 {
				t.Errorf("logged %d times:\n%s", got, r.log)
			}
			if !strings.Contains(r.log.String(), "I want none of it") {
				t.Errorf("the log does not say why:\n%s", r.log)
			}
		})
	}
}

func TestPartialSuccessIsCountedAndNotRepeated(t *testing.T) {
	r := newRig(t)
	partial, err := proto.Marshal(&coltracepb.ExportTraceServiceResponse{
		PartialSuccess: &coltracepb.ExportTracePartialSuccess{RejectedSpans: 2, ErrorMessage: "too old"},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.backend.Decide(func(exporttest.Request) exporttest.Answer { return exporttest.Answer{Body: partial} })
	r.append("a", "b", "c")
	r.start()
	r.waitFor("a", "b", "c")
	r.waitCommitted()
	if sent, rejected := r.items("sent"), r.items("rejected"); sent != 1 || rejected != 2 {
		t.Errorf("%v sent, %v rejected; want 1 and 2", sent, rejected)
	}
	if !strings.Contains(r.log.String(), "too old") {
		t.Errorf("the log does not say why:\n%s", r.log)
	}
	if got := len(r.backend.Taken("")); got != 1 {
		t.Errorf("%d requests", got)
	}
}

func TestASlowBackendDelaysNobodyElse(t *testing.T) {
	r := newRig(t)
	logs := exporttest.New(t)
	r.cfg.Logs[0].Endpoint = logs.URL()
	r.backend.Down()
	r.start()
	for range 50 {
		r.append("a")
		r.appendRaw(journal.Logs, 1, nil)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if stats := r.journal.Stats(); stats.Cursors["export-logs"] == stats.End {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("logs did not get past traces")
		}
	}
	if got := r.journal.Stats().Cursors["export-traces"]; got != 0 {
		t.Errorf("the cursor of what was not delivered is at %d", got)
	}
}

func TestStopWaitsForTheAnswer(t *testing.T) {
	r := newRig(t)
	asked, answer := make(chan struct{}, 1), make(chan struct{})
	r.backend.Decide(func(exporttest.Request) exporttest.Answer {
		asked <- struct{}{}
		<-answer
		return exporttest.Answer{}
	})
	r.append("a")
	r.start()
	<-asked
	stopped := make(chan struct{})
	go func() {
		r.stop()
		close(stopped)
	}()
	close(answer)
	<-stopped
	if stats := r.journal.Stats(); stats.Cursors["export-traces"] != stats.End {
		t.Errorf("what was answered while stopping is not committed: %+v", stats)
	}
}

func TestStopCutsOffWhoDoesNotAnswer(t *testing.T) {
	r := newRig(t)
	asked, answer := make(chan struct{}, 8), make(chan struct{})
	r.backend.Decide(func(exporttest.Request) exporttest.Answer {
		asked <- struct{}{}
		<-answer
		return exporttest.Answer{Status: http.StatusServiceUnavailable}
	})
	r.append("a")
	r.start()
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.running.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	r.running = nil
	close(answer)
	r.backend.Up()
	r.start()
	r.waitFor("a")
}

func TestErrorsTellWhatTheBackendSaid(t *testing.T) {
	status, err := proto.Marshal(&statuspb.Status{Code: 3, Message: "span without an id"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		body    []byte
		encoded bool
		want    string
	}{
		{status, true, ": span without an id"},
		{[]byte{0xff}, true, ""},
		{nil, false, ""},
		{[]byte(" plain\n"), false, ": plain"},
		{[]byte(strings.Repeat("x", 1000)), false, ": " + strings.Repeat("x", maxReason) + "…"},
		{[]byte("\xff"), false, ": ?"},
	} {
		if got := reasonOf(test.body, test.encoded); got != test.want {
			t.Errorf("reasonOf(%q, %v) = %q, want %q", test.body, test.encoded, got, test.want)
		}
	}
}
