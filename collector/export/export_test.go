package export

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/journal"
)

// protocols has a backend for each.
var protocols = map[Protocol]func(testing.TB, Compression) *exporttest.Backend{
	HTTP: func(t testing.TB, _ Compression) *exporttest.Backend { return exporttest.New(t) },
	GRPC: func(t testing.TB, c Compression) *exporttest.Backend {
		if c == NoCompression {
			return exporttest.NewGRPC(t)
		}
		return exporttest.NewGRPC(t, exporttest.Encoding(string(c))...)
	},
}

func TestForward(t *testing.T) {
	for protocol, newBackend := range protocols {
		for _, compression := range []Compression{Gzip, Zstd, NoCompression} {
			t.Run(string(protocol)+" "+string(compression), func(t *testing.T) {
				r := newRigWith(t, protocol, newBackend(t, compression))
				r.cfg.Traces[0].Compression = compression
				r.forward()
				content, encoding, agent := "application/x-protobuf", "Content-Encoding", "waybill-collector"
				if protocol == GRPC {
					content, encoding, agent = "application/grpc+proto", "Grpc-Encoding", "waybill-collector grpc-go/"+grpc.Version
				}
				requests := r.backend.Taken("")
				for name, want := range map[string]string{
					"Content-Type": content, "Authorization": "Bearer x", "X-Scope-Orgid": "shop", "User-Agent": agent,
				} {
					if got := requests[0].Header.Get(name); got != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
				if got := requests[0].Header.Get(encoding); got != string(compression) && (got != "" || compression != NoCompression) {
					t.Errorf("%s: %q", encoding, got)
				}
			})
		}
	}
}

// forward has records wait, and others come while it runs.
func (r *rig) forward() {
	r.t.Helper()
	r.cfg.Traces[0].Headers = map[string]Secret{"authorization": "Bearer x", "X-Scope-OrgID": "shop"}
	long := strings.Repeat("x", 10_000) // So that buffers are pooled.
	r.append("a", "b")
	r.appendRaw(journal.Logs, 1, []byte("no traces"))
	r.append(long)
	r.start()
	r.waitFor("a", "b", long)
	r.appendRaw(journal.Metrics, 1, []byte("no traces"))
	r.append("d")
	r.waitFor("a", "b", long, "d")
	r.waitCommitted()
	requests := r.backend.Taken("")
	if len(requests) != 2 || requests[0].Path != "/v1/traces" {
		r.t.Fatalf("%d requests, the first to %s; want records that wait to go as one", len(requests), requests[0].Path)
	}
	if got := r.items("sent"); got != 4 {
		r.t.Errorf("%v items sent, want 4", got)
	}
	if problems, err := testutil.GatherAndLint(r.reg); err != nil || len(problems) > 0 {
		r.t.Errorf("metrics: %v, %v", problems, err)
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
	r.eventually("there are retries", func() bool { return r.metric("retries_total") >= 3 })
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
	r.eventually("there are retries", func() bool { return r.metric("retries_total") >= 2 })
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

// TestOnlyTheBadRecordIsSetAside has a backend that refuses every request in
// which some span is bad.
func TestOnlyTheBadRecordIsSetAside(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusInternalServerError} {
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
			r.append("last") // What comes after the last bad one shows who is to blame.
			r.waitFor(append(want, "last")...)
			r.waitCommitted()
			if set, lost := r.items("dead_lettered"), r.items("dropped"); set != 8 || lost != 0 {
				t.Errorf("%v items set aside and %v dropped, want 8 and 0", set, lost)
			}
			if got := r.items("sent"); got != 193 {
				t.Errorf("%v items sent, want 193", got)
			}
			if got := strings.Count(r.log.String(), "set aside what the backend will not take"); got != 1 {
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
	r.waitCursor("export-logs")
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
