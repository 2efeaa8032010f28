package collector

import (
	"encoding/binary"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/export"
	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/sample"
)

// errorsOnly waits a moment for a trace whose root is there.
func errorsOnly() sample.TailConfig {
	tail := sample.DefaultConfig().Tail
	tail.RootGrace = 100 * time.Millisecond
	tail.Policies = []sample.Policy{{Type: sample.Error}}
	return tail
}

// TestSampling sends a load, and has every trace with an error forwarded whole,
// and of the others one in ten, whole as well, with its threshold.
func TestSampling(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Sample.Tail = errorsOnly()
	cfg.Sample.Tail.Policies = append(cfg.Sample.Tail.Policies, sample.Policy{Type: sample.Probability, Percent: 10})
	s := runSampling(t, cfg, 1500)
	kept := s.wantForwarded(t, func(id string) string {
		switch {
		case s.traces[id].failed:
			return anyTraceState
		case randomness(id) >= 0xe6660000000000:
			return "ot=th:e666"
		}
		return ""
	})
	failed := 0
	for _, trace := range s.traces {
		if trace.failed {
			failed++
		}
	}
	rest, others := float64(len(s.traces)-failed), kept-failed
	if failed == 0 || math.Abs(float64(others)-rest/10) > 5*math.Sqrt(rest*0.09) {
		t.Errorf("%d traces with an error, %d of %v others", failed, others, rest)
	}
}

// TestSamplingIsSwitched on and off with the same journal: forwarding goes on
// where it was, and nobody's place is left behind.
func TestSamplingIsSwitched(t *testing.T) {
	backend := exporttest.New(t)
	dir := t.TempDir()
	for n, sampled := range []bool{false, true, false, true} {
		cfg := testConfig(dir)
		cfg.Export.Traces[0].Endpoint = backend.URL()
		if sampled {
			cfg.Sample.Tail = errorsOnly()
		}
		c, err := Start(t.Context(), cfg, nopLogger())
		if err != nil {
			t.Fatal(err)
		}
		mustPost(t, c, "traces", spanRequest(n+1, "op", tracepb.Status_STATUS_CODE_ERROR))
		backend.Wait(t, "the span", func() bool { return len(backend.Spans(t)) == n+1 })
		cursors := c.Journal().Stats().Cursors
		_, whole := cursors[export.ReaderName(journal.Traces, export.DefaultName)]
		_, chosen := cursors[sample.ReaderName]
		if whole == sampled || chosen != sampled {
			t.Errorf("sampling is %v; readers: %v", sampled, cursors)
		}
		if err := c.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if n := len(backend.Spans(t)); n != 4 {
		t.Errorf("%d spans were forwarded; want each of 4 once", n)
	}
}

func TestSamplingNamesTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"sample:\n  tail:\n    policies:\n      - type: error\n      - type: probability\n        percent: 150":                ":6: sample.tail.policies[1].percent: 150: want 0 to 100",
		"sample:\n  tail:\n    policies:\n      - type: eror":                                                                  `:4: sample.tail.policies[0].type: "eror": want always`,
		"sample:\n  tail:\n    policies:\n      - type: and\n        policies:\n          - type: latency\n            key: x": ":7: sample.tail.policies[0].policies[0].key: not a key",
		"sample:\n  tail:\n    policies:\n      - type: error\n        percents: 1":                                            ":5: sample.tail.policies[0].percents: unknown key",
		"sample:\n  tail:\n    decision_wait: 0s":                                                                              ":3: sample.tail.decision_wait: 0s is not positive",
	} {
		_, err := Load(write(t, text), testEnv, nil)
		if err == nil || !strings.Contains(err.Error(), "collector.yaml"+want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

// halves sends traces of two spans, and the second one, which is the root, some
// requests after the first. Of every fourth the first span is an error.
type halves struct {
	mu     sync.Mutex
	next   int
	again  []half // not acknowledged
	owed   []half // the roots of first halves that were
	acked  map[half]bool
	enough int
}

type half struct {
	n    int
	root bool
}

func (h *halves) failed(n int) bool { return n%4 == 0 }

func (h *halves) take() half {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, queue := range []*[]half{&h.again, &h.owed} {
		if len(*queue) > 0 && (queue == &h.again || len(*queue) > 20) {
			first := (*queue)[0]
			*queue = (*queue)[1:]
			return first
		}
	}
	h.next++
	return half{n: h.next}
}

// done notes an answer, and says whether there have been enough.
func (h *halves) done(s half, acked bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !acked {
		h.again = append(h.again, s)
		return false
	}
	h.acked[s] = true
	if !s.root {
		h.owed = append(h.owed, half{n: s.n, root: true})
	}
	return len(h.acked) >= h.enough
}

func (h *halves) request(s half) *coltracepb.ExportTraceServiceRequest {
	code := tracepb.Status_STATUS_CODE_UNSET
	if !s.root && h.failed(s.n) {
		code = tracepb.Status_STATUS_CODE_ERROR
	}
	request := spanRequest(s.n, "half", code)
	span := request.ResourceSpans[0].ScopeSpans[0].Spans[0]
	if !s.root {
		span.ParentSpanId = span.SpanId
		span.SpanId = spanID(-s.n)
	}
	return request
}

func (h *halves) send(t *testing.T, c *child) {
	t.Helper()
	var clients sync.WaitGroup
	reached := make(chan struct{})
	var once sync.Once
	for range 4 {
		clients.Go(func() {
			for {
				s := h.take()
				status, err := post(t.Context(), c.addr, "traces", h.request(s))
				if h.done(s, err == nil && status == http.StatusOK) {
					once.Do(func() { close(reached) })
				}
				if err != nil {
					return // The child is dead.
				}
			}
		})
	}
	select {
	case <-reached:
	case <-time.After(30 * time.Second):
		t.Errorf("the child acknowledges too slowly")
	}
	c.kill(t)
	clients.Wait()
}

// TestSamplingSurvivesKills kills a collector that samples, again and again,
// while traces are half received, decided, and handed on. In the end the
// backend has every trace with an error, whole, and nothing of any other.
func TestSamplingSurvivesKills(t *testing.T) {
	t.Setenv(childSamples, "yes")
	backend := exporttest.New(t)
	dir := t.TempDir()
	h := &halves{acked: map[half]bool{}}
	for range 6 {
		h.enough = len(h.acked) + 300
		h.send(t, startChild(t, dir, backend.URL()))
	}
	c := startChild(t, dir, backend.URL())
	for len(h.again)+len(h.owed) > 0 {
		h.again, h.owed = append(h.again, h.owed...), nil
		s := h.again[0]
		h.again = h.again[1:]
		if status, err := post(t.Context(), c.addr, "traces", h.request(s)); err != nil || status != http.StatusOK {
			t.Fatalf("%d, %v", status, err)
		}
		h.done(s, true)
	}
	whole := func() bool {
		found := map[string]bool{}
		for _, span := range backend.Spans(t) {
			found[string(span.GetSpanId())] = true
		}
		for s := range h.acked {
			if h.failed(s.n) && (!found[string(spanID(s.n))] || !found[string(spanID(-s.n))]) {
				return false
			}
		}
		return true
	}
	backend.Wait(t, "every trace with an error, whole", whole)
	c.kill(t)
	spans, once := backend.Spans(t), map[string]bool{}
	for _, span := range spans {
		once[string(span.GetSpanId())] = true
		if n := int(binary.BigEndian.Uint64(span.GetTraceId()[8:])); !h.failed(n) {
			t.Fatalf("trace %d was forwarded", n)
		}
	}
	t.Logf("%d traces sent, %d spans kept, %d of them twice", h.next, len(once), len(spans)-len(once))
}
