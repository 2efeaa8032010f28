package main

import (
	"math"
	"testing"
)

// TestJudge sends two groups past any sampler: what it keeps, what it keeps in
// part, and what it should not have left out, are told apart.
func TestJudge(t *testing.T) {
	const parts = 2
	w, err := newWork(t.Context(), 2, parts)
	if err != nil {
		t.Fatal(err)
	}
	l := &ledger{}
	var sent [][]byte
	for i := range 3 * parts {
		template, n := w.templates[i%len(w.templates)].clone(), l.claim()
		template.number(n)
		sent = append(sent, template.bytes)
		if i != 3*parts-1 { // The last group is not judged.
			l.acknowledge(n)
		}
	}
	traces, wanted := len(w.traces[0])+len(w.traces[1]), 0
	several := 0
	for _, group := range w.traces {
		for _, o := range group {
			if o.wanted {
				wanted++
			}
			if o.spans[0].part != o.spans[len(o.spans)-1].part {
				several++
			}
		}
	}
	if several < traces/2 || wanted < traces/20 || wanted > traces/2 {
		t.Errorf("of %d traces %d are in several requests, and %d wanted", traces, several, wanted)
	}
	if got, want := l.judge(w), (judgement{traces: traces, wanted: wanted, missing: wanted, others: traces - wanted}); got != want {
		t.Errorf("nothing arrived: %+v; want %+v", got, want)
	}
	for i, request := range sent[:2*parts] {
		if err := l.arrive(request); err != nil {
			t.Fatal(err)
		}
		switch got := l.judge(w); i {
		case 0, 2:
			if got.broken == 0 {
				t.Errorf("of one group only a part arrived: %+v", got)
			}
		case 1:
			if got.broken != 0 || got.missing == 0 || got.missing >= wanted || got.kept == 0 {
				t.Errorf("of one group nothing arrived: %+v", got)
			}
		}
	}
	if got, want := l.judge(w), (judgement{traces: traces, wanted: wanted, others: traces - wanted, kept: traces - wanted}); got != want {
		t.Errorf("everything arrived: %+v; want %+v", got, want)
	}
}

func TestZ(t *testing.T) {
	for kept, want := range map[int]float64{90: 0, 99: 1, 72: -2} {
		if got := (judgement{others: 900, kept: kept}).z(); math.Abs(got-want) > 1e-9 {
			t.Errorf("z of %d in 900 is %v; want %v", kept, got, want)
		}
	}
}

// TestTraceIDsAreSpread: samplers take them for random.
func TestTraceIDsAreSpread(t *testing.T) {
	const n = 100_000
	above := 0
	for i := range uint64(n) {
		if mix(i<<16)&(1<<56-1) >= 9*(1<<56/10) {
			above++
		}
	}
	if got := (judgement{others: n, kept: above}).z(); math.Abs(got) > 4 {
		t.Errorf("%d of %d ids are in the highest tenth: z = %v", above, n, got)
	}
}
