package sample

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

func TestPolicies(t *testing.T) {
	errors := Policy{Type: Error}
	slow := Policy{Type: Latency, MinDuration: 500 * time.Millisecond}
	premium := Policy{Type: Attribute, Key: "tier", Values: []string{"gold", "silver"}}
	for name, c := range map[string]struct {
		policy Policy
		spans  []*tracepb.Span
		want   bool
	}{
		"always":                            {Policy{Type: Always}, []*tracepb.Span{spanOf(1, 0)}, true},
		"error in a child":                  {errors, []*tracepb.Span{spanOf(1, 0), spanOf(1, 1, child, failed)}, true},
		"no error":                          {errors, []*tracepb.Span{spanOf(1, 0), spanOf(1, 1, child)}, false},
		"slow":                              {slow, []*tracepb.Span{spanOf(1, 0, took(500*time.Millisecond))}, true},
		"fast":                              {slow, []*tracepb.Span{spanOf(1, 0, took(499*time.Millisecond))}, false},
		"ended before it began":             {slow, []*tracepb.Span{spanOf(1, 0, took(-time.Hour))}, false},
		"slower than wanted":                {Policy{Type: Latency, MaxDuration: time.Second}, []*tracepb.Span{spanOf(1, 0, took(time.Minute))}, false},
		"attribute of one span":             {premium, []*tracepb.Span{spanOf(1, 0), spanOf(1, 1, child, with("tier", "gold"))}, true},
		"attribute with another value":      {premium, []*tracepb.Span{spanOf(1, 0, with("tier", "iron"))}, false},
		"attribute with any value":          {Policy{Type: Attribute, Key: "tier"}, []*tracepb.Span{spanOf(1, 0, with("tier", "iron"))}, true},
		"attribute of the resource":         {Policy{Type: Attribute, Key: "service.name", Values: []string{"shop"}}, []*tracepb.Span{spanOf(1, 0)}, true},
		"status unset":                      {Policy{Type: Status, Statuses: []string{"unset"}}, []*tracepb.Span{spanOf(1, 0)}, true},
		"status ok":                         {Policy{Type: Status, Statuses: []string{"ok"}}, []*tracepb.Span{spanOf(1, 0, failed)}, false},
		"two spans":                         {Policy{Type: SpanCount, MinSpans: 2}, []*tracepb.Span{spanOf(1, 0), spanOf(1, 1, child)}, true},
		"one span":                          {Policy{Type: SpanCount, MinSpans: 2}, []*tracepb.Span{spanOf(1, 0)}, false},
		"too many spans":                    {Policy{Type: SpanCount, MaxSpans: 1}, []*tracepb.Span{spanOf(1, 0), spanOf(1, 1, child)}, false},
		"all of them":                       {Policy{Type: Probability, Percent: 100}, []*tracepb.Span{spanOf(0, 0)}, true},
		"none of them":                      {Policy{Type: Probability}, []*tracepb.Span{spanOf(1, 0, state("ot=rv:ffffffffffffff"))}, false},
		"randomness of the tracestate":      {Policy{Type: Probability, Percent: 1}, []*tracepb.Span{spanOf(0, 0, state("a=b,ot=p:1;rv:ffffffffffffff"))}, true},
		"randomness that one span lacks":    {Policy{Type: Probability, Percent: 1}, []*tracepb.Span{spanOf(0, 1, child), spanOf(0, 0, state("ot=rv:ffffffffffffff")), spanOf(0, 2, child)}, true},
		"randomness against that of the id": {Policy{Type: Probability, Percent: 99}, []*tracepb.Span{spanOf(1, 1, child, state("a=b")), spanOf(1, 0, state("ot=rv:00000000000000")), spanOf(1, 2, child)}, false},
		"two of them":                       {Policy{Type: Probability, Percent: 1}, []*tracepb.Span{spanOf(0, 1, child, state("ot=rv:ffffffffffffff")), spanOf(0, 0, state("ot=rv:00000000000000"))}, true},
		"randomness that is no number":      {Policy{Type: Probability, Percent: 1}, []*tracepb.Span{spanOf(0, 0, state("ot=rv:fffffffffffffg"))}, false},
		"randomness of the wrong width":     {Policy{Type: Probability, Percent: 1}, []*tracepb.Span{spanOf(0, 0, state("ot=rv:ff"))}, false},
		"both":                              {Policy{Type: And, Policies: []Policy{errors, slow}}, []*tracepb.Span{spanOf(1, 0, failed, took(time.Second))}, true},
		"one of both":                       {Policy{Type: And, Policies: []Policy{errors, slow}}, []*tracepb.Span{spanOf(1, 0, failed)}, false},
		"not an error":                      {Policy{Type: Not, Policies: []Policy{errors}}, []*tracepb.Span{spanOf(1, 0)}, true},
		"not without an error":              {Policy{Type: Not, Policies: []Policy{errors}}, []*tracepb.Span{spanOf(1, 0, failed)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			tp, p := newTape(t, tailOf(c.policy))
			tp.play(0, "shop", c.spans...)
			p.engine.advance(tp.now.Add(time.Minute))
			if _, got := p.chosen[idOf(int(c.spans[0].TraceId[7])-1)]; got != c.want {
				t.Errorf("kept %v; want %v", got, c.want)
			}
			if len(p.settled) != 1 || len(p.engine.open) != 0 || p.engine.bytes != 0 {
				t.Errorf("%d decided, %d open with %d bytes", len(p.settled), len(p.engine.open), p.engine.bytes)
			}
		})
	}
}

// TestFirstCertainPolicyCounts: a trace that is kept for a reason stands for
// itself, whatever a probability says about it.
func TestFirstCertainPolicyCounts(t *testing.T) {
	tp, p := newTape(t, tailOf(Policy{Type: Probability, Percent: 50}, Policy{Type: Error}, Policy{Name: "more", Type: Probability, Percent: 75}))
	tp.play(0, "shop", spanOf(0, 0, state("ot=rv:f0000000000000")), spanOf(1, 0, failed, state("ot=rv:f0000000000000")),
		spanOf(2, 0, failed, state("ot=rv:00000000000000")), spanOf(3, 0, state("ot=rv:40000000000000")), spanOf(4, 0, state("ot=rv:3fffffffffffff")))
	p.engine.advance(tp.now.Add(time.Minute))
	for n, want := range []verdict{{true, randomness / 4}, {true, 0}, {true, 0}, {true, randomness / 4}, {}} {
		if got := p.chosen[idOf(n)].verdict; got != want {
			t.Errorf("trace %d: %+v; want %+v", n, got, want)
		}
	}
}

func TestThresholdOf(t *testing.T) {
	for probability, want := range map[float64]string{
		1: "0", 0.5: "8", 0.25: "c", 0.1: "e666", 0.01: "fd70a", 0.001: "ffbe77", 1e-16: "fffffffffffff9", 1e-30: "ffffffffffffff",
	} {
		got := string(appendHexadecimal(nil, thresholdOf(probability)))
		if got != want {
			t.Errorf("%v: %s; want %s", probability, got, want)
		}
	}
	if thresholdOf(0) != randomness {
		t.Error("a probability of 0 keeps something")
	}
	for percent := 0.01; percent <= 100; percent *= 1.3 {
		if kept := 1 - float64(thresholdOf(percent/100))/randomness; math.Abs(kept*100/percent-1) > 1e-3 {
			t.Errorf("%v percent are %v", percent, kept*100)
		}
	}
}

// TestProbabilityIsWithinBounds keeps one in ten, to within five standard
// deviations.
func TestProbabilityIsWithinBounds(t *testing.T) {
	tp, p := newTape(t, tailOf(Policy{Type: Probability, Percent: 10}))
	const traces = 20_000
	for n := range traces {
		tp.play(0, "shop", spanOf(n, 0))
	}
	p.engine.advance(tp.now.Add(time.Minute))
	if off := math.Abs(float64(len(p.chosen)) - traces*0.1); off > 5*math.Sqrt(traces*0.1*0.9) {
		t.Errorf("kept %d of %d", len(p.chosen), traces)
	}
}

// TestRateIsSharedFairly: who wants little gets it, who wants much gets what is
// left, and together they stay within the rate.
func TestRateIsSharedFairly(t *testing.T) {
	tp, p := newTape(t, tailOf(Policy{Type: RateLimit, SpansPerSecond: 100}))
	kept := map[string]int{}
	n := 0
	for second := range 30 {
		for tick := range 100 {
			wants := []string{"loud", "loud", "loud", "loud", "loud"}
			if tick%4 == 0 {
				wants = append(wants, "quiet")
			}
			for _, service := range wants {
				n++
				tp.play(0, service, spanOf(n, 0))
				p.engine.decide(p.engine.open[idOf(n)], reasonRoot)
				if _, ok := p.chosen[idOf(n)]; ok && second >= 5 {
					kept[service]++
				}
			}
			tp.now = tp.now.Add(10 * time.Millisecond)
		}
	}
	if quiet, loud := kept["quiet"]/25, kept["loud"]/25; quiet != 25 || loud < 70 || loud > 75 {
		t.Errorf("each second %d of 25 quiet traces and %d of 500 loud ones were kept", quiet, loud)
	}
}

// TestRateHoldsWithLargeTraces pays for a large trace later.
func TestRateHoldsWithLargeTraces(t *testing.T) {
	l := newRateLimit(100, 0)
	spans := 0
	for tick := range 600 {
		now := began().Add(time.Duration(tick) * 100 * time.Millisecond)
		tr := &trace{service: 1, spans: 70}
		if l.judge(tr, now).keep {
			spans += tr.spans
		}
	}
	if spans < 5500 || spans > 6100 {
		t.Errorf("%d spans were kept in a minute at 100 a second", spans)
	}
}

func TestRateOfBytes(t *testing.T) {
	l := newRateLimit(0, 1000)
	kept := 0
	for range 20 {
		if l.judge(&trace{spans: 1, bytes: 250}, began()).keep {
			kept++
		}
	}
	if kept != 4 {
		t.Errorf("%d traces of 250 bytes were kept at 1000 bytes a second", kept)
	}
}

// TestCompositeSharesARate: what the first policy wants has its share, and the
// second one's share takes what the first has no room for.
func TestCompositeSharesARate(t *testing.T) {
	c := newBench(nil).composite(Policy{SpansPerSecond: 100, Policies: []Policy{
		{Type: Error, Share: 60}, {Type: Always, Share: 40},
	}})
	errors, others := 0, 0
	for range 200 {
		if c.judge(&trace{spans: 1, statuses: statusBit("error")}, began()).keep {
			errors++
		}
		if c.judge(&trace{spans: 1}, began()).keep {
			others++
		}
	}
	if errors+others != 100 || errors < 60 || others < 15 {
		t.Errorf("%d errors and %d others were kept", errors, others)
	}
}

// TestAndUsesNoRateInVain asks the rate limit last, wherever it stands.
func TestAndUsesNoRateInVain(t *testing.T) {
	j := newBench(nil).and([]Policy{{Type: RateLimit, SpansPerSecond: 1}, {Type: Error}})
	if j.judge(&trace{spans: 1}, began()).keep || !j.judge(&trace{spans: 1, statuses: statusBit("error")}, began()).keep {
		t.Error("the rate was used up for a trace that is not kept")
	}
}

func TestValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	for want, p := range map[string]Policy{
		`tail.policies[0].type: "": want always`:                                {},
		"tail.policies[0].percent: 101: want 0 to 100":                          {Type: Probability, Percent: 101},
		"tail.policies[0].percent: NaN: want 0 to 100":                          {Type: Probability, Percent: math.NaN()},
		"tail.policies[0].key: not a key of a policy of type error":             {Type: Error, Key: "x"},
		"tail.policies[0].key: the attribute's":                                 {Type: Attribute},
		"tail.policies[0].statuses: want":                                       {Type: Status, Statuses: []string{"broken"}},
		"tail.policies[0].min_duration: want":                                   {Type: Latency},
		"tail.policies[0].min_spans: want":                                      {Type: SpanCount, MinSpans: 3, MaxSpans: 2},
		"tail.policies[0].spans_per_second: want":                               {Type: RateLimit},
		"tail.policies[0].policies: none":                                       {Type: And},
		"tail.policies[0].policies: want one, without":                          {Type: Not, Policies: []Policy{{Type: Probability, Percent: 1}}},
		"tail.policies[0].policies: their shares are 120 percent":               {Type: Composite, SpansPerSecond: 1, Policies: []Policy{{Type: Error, Share: 60}, {Type: Always, Share: 60}}},
		"tail.policies[0].policies: each of them wants a share":                 {Type: Composite, SpansPerSecond: 1, Policies: []Policy{{Type: Error}}},
		"tail.policies[0].policies[0].percent: -1":                              {Type: And, Policies: []Policy{{Type: Probability, Percent: -1}}},
		`tail.policies[0].policies[1].name: "error" is there twice`:             {Type: And, Policies: []Policy{{Type: Error}, {Type: Error}}},
		"tail.policies[0].policies: their shares are 0 percent: want more than": {Type: Composite, SpansPerSecond: 1},
	} {
		if err := tailOf(p).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
	var many []Policy
	for i := range 65 {
		many = append(many, Policy{Name: strconv.Itoa(i), Type: Error})
	}
	if err := tailOf(many...).Validate(); err == nil {
		t.Error("65 policies are taken")
	}
}
