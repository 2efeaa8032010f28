package strategy

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

const deadline = 20 * time.Second

// eventually waits until it is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for start := time.Now(); !so(); time.Sleep(time.Millisecond) {
		if time.Since(start) > deadline {
			t.Fatalf("after %v there is no %s", deadline, what)
		}
	}
}

// TestRemoteFollowsItsServer begins without an answer, gets one, loses its
// server and finds it again.
func TestRemoteFollowsItsServer(t *testing.T) {
	var answer atomic.Pointer[string]
	say := func(text string) { answer.Store(&text) }
	say("")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := *answer.Load()
		if r.URL.Path != "/sampling" || r.URL.Query().Get("service") != "order & co" || text == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(text))
	}))
	defer server.Close()
	var failures, recoveries atomic.Int32
	r := New(Config{
		Endpoint: server.URL + "/sampling", Service: "order & co", Interval: time.Millisecond, Initial: 1,
		Changed: func(err error) {
			if err != nil {
				failures.Add(1)
			} else {
				recoveries.Add(1)
			}
		},
	})
	share := func(want int) func() bool {
		return func() bool { n, _ := sampled(r, "op"); return n == want }
	}
	if !share(100)() {
		t.Error("before the first question another share than the initial one is sampled")
	}
	r.Start()
	eventually(t, "failure", func() bool { return failures.Load() == 1 })
	say(`{"probabilisticSampling":{"samplingRate":0.5}}`)
	eventually(t, "strategy", share(50))
	eventually(t, "word of it", func() bool { return recoveries.Load() == 1 })
	say(`{"probabilisticSampling":{"samplingRate":2}}`)
	eventually(t, "failure", func() bool { return failures.Load() == 2 })
	if !share(50)() {
		t.Error("a strategy that makes no sense has been adopted")
	}
	say(`{"probabilisticSampling":{"samplingRate":0.25}}`)
	eventually(t, "other strategy", share(25))
	if err := r.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	say(`{"probabilisticSampling":{"samplingRate":1}}`)
	if !share(25)() || failures.Load() != 2 {
		t.Errorf("after its end it goes on, with %d failures", failures.Load())
	}
}

// TestUnchangedStrategyKeepsItsCount asks often for a limit that lets one trace
// through in a long time: each answer is no new beginning.
func TestUnchangedStrategyKeepsItsCount(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte(`{"rateLimitingSampling":{"maxTracesPerSecond":0.0001}}`))
	}))
	defer server.Close()
	r := New(Config{Endpoint: server.URL, Interval: time.Millisecond, Changed: func(err error) { t.Error(err) }})
	r.Start()
	defer func() { _ = r.Shutdown(t.Context()) }()
	taken := 0
	eventually(t, "trace", func() bool { n, _ := sampled(r, "op"); taken += n; return taken > 0 })
	before := asked.Load()
	eventually(t, "more answers", func() bool { return asked.Load() > before+5 })
	if n, _ := sampled(r, "op"); taken != 1 || n != 0 {
		t.Errorf("%d and then %d traces, want one", taken, n)
	}
}
