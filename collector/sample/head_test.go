package sample

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/wire"
)

// headOf has rates of its own for a service and for an operation of it.
func headOf(percent float64, rates ...Rate) Config {
	cfg := DefaultConfig()
	cfg.Head.Percent, cfg.Head.Rates = percent, rates
	return cfg
}

func rateOf(service, operation string, percent float64) Rate {
	return Rate{Service: service, Operation: operation, Percent: percent}
}

// random gives a span the randomness of a share: a trace with it is sampled by
// every rate of more than 100 less that share.
func random(share float64) option {
	return state(fmt.Sprintf("ot=rv:%014x", uint64(share/100*randomness)))
}

// TestHeadSampling goes by where a trace begins, whoever takes part in it.
func TestHeadSampling(t *testing.T) {
	cfg := headOf(10, rateOf("shop", "", 50), rateOf("shop", "checkout", 100), rateOf("shop", "health", 0))
	for name, c := range map[string]struct {
		service string
		span    []option
		want    bool
		th      string
	}{
		"another, sampled":        {"mail", []option{random(90.1)}, true, "ot=th:e666;"},
		"another, left out":       {"mail", []option{random(89.9)}, false, ""},
		"the service's":           {"shop", []option{random(50)}, true, "ot=th:8;"},
		"the service's, left out": {"shop", []option{random(49.9)}, false, ""},
		"the operation's":         {"shop", []option{random(0), named("checkout")}, true, "ot=rv:"},
		"nothing of another":      {"shop", []option{random(99.9), named("health")}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			tp, p := newTape(t, cfg)
			root := spanOf(1, 0, c.span...)
			// A part in which everything would be sampled, and one in which nothing would.
			before := spanOf(1, 1, child, named("checkout"), state(root.GetTraceState()))
			after := spanOf(1, 2, child, named("health"), state(root.GetTraceState()))
			tp.play(0, "shop", before)
			tp.play(0, c.service, root)
			tp.play(time.Nanosecond, "shop", after)
			v, kept := p.chosen[idOf(1)]
			if kept != c.want {
				t.Fatalf("kept %v; want %v", kept, c.want)
			}
			if !kept {
				return
			}
			if got := string(appendThreshold(nil, []byte(root.GetTraceState()), v.threshold)); v.threshold != 0 && !strings.HasPrefix(got, c.th) {
				t.Errorf("tracestate %q; want %s…", got, c.th)
			} else if v.threshold == 0 && c.th != "ot=rv:" {
				t.Errorf("no threshold; want %s", c.th)
			}
			if len(p.offsets) != 3 {
				t.Errorf("%d of 3 records are read again", len(p.offsets))
			}
		})
	}
}

// TestHeadSamplingWithoutARoot goes by the highest rate of what is there.
func TestHeadSamplingWithoutARoot(t *testing.T) {
	cfg := headOf(10, rateOf("shop", "", 50))
	for share, want := range map[float64]bool{49.9: false, 50: true} {
		tp, p := newTape(t, cfg)
		tp.play(0, "mail", spanOf(1, 0, child, random(share)))
		tp.play(0, "shop", spanOf(1, 1, child, random(share)))
		tp.play(time.Minute, "mail", spanOf(2, 0))
		if v, kept := p.chosen[idOf(1)]; kept != want || kept && v.threshold != 1<<55 {
			t.Errorf("randomness %v: %+v, %v", share, v, kept)
		}
	}
}

// TestOneRateHoldsNothing: with one rate for all, or below all rates, the id
// says everything.
func TestOneRateHoldsNothing(t *testing.T) {
	tp, p := newTape(t, headOf(25))
	const n = 2000
	kept := 0
	for i := range n {
		tp.play(0, "shop", spanOf(i, 0, child))
		tp.play(0, "mail", spanOf(i, 1))
		if binary.BigEndian.Uint64(spanOf(i, 0).GetTraceId()[8:])&(randomness-1) >= 3<<54 {
			kept++
		}
	}
	if len(p.engine.open) != 0 || len(p.engine.memory.by) != 0 || p.engine.needs() != p.engine.next {
		t.Errorf("%d traces are held, %d remembered", len(p.engine.open), len(p.engine.memory.by))
	}
	if len(p.chosen) != kept || kept == 0 {
		t.Errorf("%d traces are kept; want %d", len(p.chosen), kept)
	}
	if z := (float64(kept) - n/4) / math.Sqrt(n*0.25*0.75); math.Abs(z) > 4 {
		t.Errorf("%d of %d are kept at 25 %%", kept, n)
	}
	if got := testutil.ToFloat64(p.meters.unsampled); got != float64(2*(n-kept)) {
		t.Errorf("%v spans were left out", got)
	}
	if got := testutil.ToFloat64(p.meters.spansKept); got != float64(2*kept) {
		t.Errorf("%v spans are kept", got)
	}
	tp, p = newTape(t, headOf(10, rateOf("shop", "", 50)))
	tp.play(0, "shop", spanOf(1, 0, child, random(40)), spanOf(2, 0, child, random(60)))
	if len(p.engine.open) != 1 {
		t.Errorf("%d traces are held; want the one that may be sampled", len(p.engine.open))
	}
}

// TestHeadBeforeTail: no policy sees what was left out, and what one keeps has
// the higher of the two thresholds.
func TestHeadBeforeTail(t *testing.T) {
	for name, c := range map[string]struct {
		spans     []*tracepb.Span
		want      bool
		threshold uint64
	}{
		"an error that is left out":   {[]*tracepb.Span{spanOf(1, 0, failed, random(40))}, false, 0},
		"an error that is sampled":    {[]*tracepb.Span{spanOf(1, 0, failed, random(60))}, true, 1 << 55},
		"no policy wants it":          {[]*tracepb.Span{spanOf(1, 0, random(60))}, false, 0},
		"the policy's threshold":      {[]*tracepb.Span{spanOf(1, 0, random(80))}, true, 3 << 54},
		"an operation with none":      {[]*tracepb.Span{spanOf(1, 0, failed, named("checkout"), random(0))}, true, 0},
		"the policy's, with no other": {[]*tracepb.Span{spanOf(1, 0, named("checkout"), random(80))}, true, 3 << 54},
	} {
		cfg := headOf(50, rateOf("shop", "checkout", 100))
		cfg.Tail.Policies = []Policy{{Type: Error}, {Type: Probability, Percent: 25}}
		tp, p := newTape(t, cfg)
		tp.play(0, "shop", c.spans...)
		p.engine.advance(tp.now.Add(time.Minute))
		if v, kept := p.chosen[idOf(1)]; kept != c.want || v.threshold != c.threshold {
			t.Errorf("%s: kept %v with threshold %x; want %v with %x", name, kept, v.threshold, c.want, c.threshold)
		}
	}
}

// TestThresholdsCompose: a span that was sampled before, by fewer, keeps the
// threshold that it came with.
func TestThresholdsCompose(t *testing.T) {
	for before, want := range map[string]string{
		"ot=th:c":               "ot=th:c",
		"ot=th:4":               "ot=th:8",
		"a=b,ot=th:4;rv:" + "8": "ot=th:8;rv:8,a=b",
	} {
		j, cfg := memories(), headOf(50)
		s := begin(t, cfg, j)
		id := wire.TraceID{8: 0xff, 9: 0xff}
		span := spanOf(1, 0, state(before), named("a"))
		span.TraceId = id[:]
		j.receive(t, span)
		j.wait(t, "a")
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		r, err := j.Kept.Reader("")
		if err != nil {
			t.Fatal(err)
		}
		records, err := r.Next(t.Context(), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		got := spansOf(decode(t, records[0].Payload), func(*tracepb.Span) bool { return true })[0].GetTraceState()
		if got != want {
			t.Errorf("%q became %q; want %q", before, got, want)
		}
	}
}

// TestRatesAreReloaded: what comes next goes by the new ones.
func TestRatesAreReloaded(t *testing.T) {
	j, cfg := memories(), headOf(0)
	s := begin(t, cfg, j)
	j.receive(t, spanOf(1, 0, named("dropped")))
	for deadline := time.Now().Add(30 * time.Second); testutil.ToFloat64(s.meters.unsampled) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is left out at 0 %")
		}
	}
	cfg.Head.Rates = []Rate{rateOf("shop", "", 100)}
	s.Reconfigure(cfg.Head)
	j.receive(t, spanOf(2, 0, named("kept")))
	j.wait(t, "kept")
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestHeadConfigurations(t *testing.T) {
	for want, cfg := range map[string]HeadConfig{
		"":                                      {At: AtCollector, Percent: 10, Rates: []Rate{rateOf("a", "", 0), rateOf("a", "b", 1), rateOf("c", "b", 1)}},
		"head.at: ":                             {Percent: 10},
		"head.percent: 101: want":               {At: AtClients, Percent: 101},
		"head.percent: NaN: want":               {At: AtClients, Percent: math.NaN()},
		"head.rates[0].service: the service's":  {At: AtClients, Rates: []Rate{{Operation: "b"}}},
		"head.rates[0].percent: -1: want":       {At: AtClients, Rates: []Rate{rateOf("a", "", -1)}},
		"head.rates[1].service: \"a\" has two":  {At: AtClients, Rates: []Rate{rateOf("a", "b", 1), rateOf("a", "b", 2)}},
		"head.rates[0].traces_per_second: only": {At: AtCollector, Rates: []Rate{{Service: "a", Percent: 100, TracesPerSecond: 1}}},
		"head.rates[0].traces_per_second: want": {At: AtClients, Rates: []Rate{{Service: "a", Percent: 50, TracesPerSecond: 1}}},
		"head.rates[0].traces_per_second: it":   {At: AtClients, Rates: []Rate{{Service: "a", Operation: "b", Percent: 100, TracesPerSecond: 1}}},
		"head.rates[0].traces_per_second: -1":   {At: AtClients, Rates: []Rate{{Service: "a", Percent: 100, TracesPerSecond: -1}}},
		"head.rates[0].operation: service":      {At: AtClients, Rates: []Rate{rateOf("a", "b", 1), {Service: "a", Percent: 100, TracesPerSecond: 1}}},
		"head.rates: 10001 of them":             {At: AtClients, Rates: make([]Rate, maxRates+1)},
	} {
		whole := DefaultConfig()
		whole.Head = cfg
		err := whole.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	for _, cfg := range []HeadConfig{DefaultConfig().Head, {At: AtClients, Percent: 1}} {
		if cfg.Enabled() || newHead(cfg).lowest != 0 {
			t.Errorf("%+v leaves something out", cfg)
		}
	}
}
