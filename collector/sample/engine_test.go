package sample

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestWhenATraceIsDecided(t *testing.T) {
	tp, p := newTape(t, tailOf(Policy{Type: Error}))
	decidedFor := func(reason string, want float64) {
		t.Helper()
		if got := testutil.ToFloat64(p.meters.decisions.WithLabelValues(reason)); got != want {
			t.Errorf("%v traces were decided for %s; want %v", got, reason, want)
		}
	}
	tp.play(0, "shop", spanOf(1, 0, child))
	tp.play(5*time.Second, "shop", spanOf(1, 1), spanOf(2, 0, child))
	tp.play(2*time.Second-1, "shop", spanOf(1, 2, child, failed))
	decidedFor(reasonRoot, 0)
	tp.play(1, "other", spanOf(3, 0, child))
	decidedFor(reasonRoot, 1)
	if _, kept := p.chosen[idOf(1)]; !kept {
		t.Error("the error that came in the grace does not count")
	}
	tp.play(8*time.Second-1, "other", spanOf(3, 1, child))
	decidedFor(reasonWait, 0)
	tp.play(1, "other", spanOf(3, 2, child))
	decidedFor(reasonWait, 1)
	if got := p.engine.needs(); got != p.engine.open[idOf(3)].offsets[0] {
		t.Errorf("the journal is needed from %d on", got)
	}
}

// TestLateSpans follow what was decided, until it is forgotten.
func TestLateSpans(t *testing.T) {
	cfg := tailOf(Policy{Type: Error})
	cfg.Tail.RememberTraces = minTraces
	tp, p := newTape(t, cfg)
	tp.play(0, "shop", spanOf(1, 0, failed), spanOf(2, 0))
	tp.play(time.Minute, "shop", spanOf(1, 1, child), spanOf(2, 1, child, failed))
	tp.play(time.Minute, "shop")
	if len(p.chosen) != 1 || len(p.offsets) != 2 {
		t.Errorf("%d traces of %d records are kept", len(p.chosen), len(p.offsets))
	}
	if kept, dropped := testutil.ToFloat64(p.meters.lateKept), testutil.ToFloat64(p.meters.lateDropped); kept != 1 || dropped != 1 {
		t.Errorf("late: %v kept, %v dropped", kept, dropped)
	}
	for n := range minTraces {
		tp.play(0, "shop", spanOf(10+n, 0))
	}
	tp.play(time.Minute, "shop")
	if evicted := testutil.ToFloat64(p.meters.evicted); evicted != 2 {
		t.Errorf("%v decisions were forgotten", evicted)
	}
	tp.play(0, "shop", spanOf(2, 2, child, failed))
	tp.play(time.Minute, "shop")
	if _, kept := p.chosen[idOf(2)]; !kept {
		t.Error("what is forgotten is not decided anew")
	}
}

// TestBounds decides early what would be too much, and what has come late is
// still kept.
func TestBounds(t *testing.T) {
	cfg := tailOf(Policy{Type: Error})
	cfg.Tail.MaxTraces, cfg.Tail.MaxTraceSpans, cfg.Tail.MaxMemoryBytes = minTraces, 50, minMemory
	tp, p := newTape(t, cfg)
	for k := range 60 {
		tp.play(0, "shop", spanOf(0, k, child, failed))
	}
	if len(p.engine.open) != 0 || len(p.offsets) != 60 {
		t.Errorf("the large trace: %d open, %d records", len(p.engine.open), len(p.offsets))
	}
	for n := range 10 * minTraces {
		tp.play(0, "shop", spanOf(1+n, 0, child))
		if len(p.engine.open) > minTraces {
			t.Fatalf("%d traces wait", len(p.engine.open))
		}
	}
	cfg.Tail.MaxTraces, cfg.Tail.MaxTraceSpans = maxTraces, 1e6
	tp, p = newTape(t, cfg)
	for n := range 20_000 {
		tp.play(0, "shop", spanOf(n, 0, child), spanOf(n/100, n, child))
		if p.engine.bytes > minMemory {
			t.Fatalf("%d bytes are taken", p.engine.bytes)
		}
	}
	if testutil.ToFloat64(p.meters.decisions.WithLabelValues(reasonMemory)) == 0 {
		t.Error("nothing was decided because of memory: the test tests nothing")
	}
}

// TestServicesAreBounded has the rest under one name.
func TestServicesAreBounded(t *testing.T) {
	tp, p := newTape(t, tailOf(Policy{Type: RateLimit, SpansPerSecond: 1}))
	for n := range 2 * maxServices {
		tp.play(0, "service "+string(rune('a'+n%26))+time.Duration(n).String(), spanOf(n, 0))
	}
	if len(p.engine.names) != maxServices || len(p.engine.services) != maxServices {
		t.Errorf("%d services", len(p.engine.names))
	}
}
