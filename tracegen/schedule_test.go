package tracegen

import (
	"math"
	"testing"
	"time"
)

func TestScheduleIsAFunctionOfTime(t *testing.T) {
	tests := []struct {
		name     string
		schedule schedule
		elapsed  time.Duration
		want     uint64
		all      bool
	}{
		{"the first is due at once", schedule{rate: 0.1, duration: time.Minute}, 0, 1, false},
		{"and the second after ten seconds", schedule{rate: 0.1, duration: time.Minute}, 10 * time.Second, 2, false},
		{"half way", schedule{rate: 100, duration: 10 * time.Second}, 5*time.Second - 1, 500, false},
		{"a duration holds rate times as many", schedule{rate: 100, duration: 10 * time.Second}, 10 * time.Second, 1000, true},
		{"and no more when the clock is late", schedule{rate: 100, duration: 10 * time.Second}, time.Hour, 1000, true},
		{"a count ends it", schedule{rate: 100, traces: 7}, time.Second, 7, true},
		{"before the duration does", schedule{rate: 100, traces: 7, duration: time.Hour}, time.Second, 7, true},
		{"without a rate all are due", schedule{traces: 7}, 0, 7, true},
		{"for as long as the duration", schedule{duration: time.Second}, 0, math.MaxUint64, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, all := test.schedule.due(test.elapsed)
			if got != test.want || all != test.all {
				t.Errorf("due(%v) = %d, %t; want %d, %t", test.elapsed, got, all, test.want, test.all)
			}
		})
	}
}

// A worker that comes late finds everything that was due meanwhile, and is
// told when the first of it was.
func TestPlanDoesNotForgiveLateness(t *testing.T) {
	began := time.Unix(1000, 0)
	p := &plan{schedule: schedule{rate: 10, duration: time.Minute}, batch: 25, began: began}
	first, _, ok := p.take(began)
	if !ok || first.n != 1 {
		t.Fatalf("at the start: %+v, %t", first, ok)
	}
	if _, wait, ok := p.take(began); !ok || wait != 100*time.Millisecond {
		t.Errorf("the next is due in %v, %t; want 100ms", wait, ok)
	}
	late, _, _ := p.take(began.Add(10 * time.Second))
	if late.first != 1 || late.n != 25 || !late.due.Equal(began.Add(100*time.Millisecond)) {
		t.Errorf("late: %+v; want 25 from the second on, due after 100ms", late)
	}
}

func TestPlanEnds(t *testing.T) {
	began := time.Unix(1000, 0)
	for name, s := range map[string]schedule{
		"count":         {traces: 3},
		"count at rate": {rate: 1, traces: 3},
		"duration":      {rate: 1, duration: 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			p := &plan{schedule: s, batch: 2, began: began}
			total := 0
			for range 10 {
				o, _, ok := p.take(began.Add(time.Hour))
				if !ok {
					break
				}
				total += o.n
			}
			if total != 3 {
				t.Errorf("handed out %d traces, want 3", total)
			}
		})
	}
	p := &plan{schedule: schedule{duration: time.Second}, batch: 2, began: began}
	if _, _, ok := p.take(began.Add(time.Second)); ok {
		t.Error("a run without a rate goes on beyond its duration")
	}
}

func TestQuantilesAreWithinAThirtySecond(t *testing.T) {
	var l latencies
	for i := range 10_000 {
		l.add(time.Duration(i+1) * 100 * time.Microsecond)
	}
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.9: 900 * time.Millisecond, 0.99: 990 * time.Millisecond} {
		got := l.quantile(q)
		if got < want || float64(got) > float64(want)*33/32+float64(time.Microsecond) {
			t.Errorf("quantile %v = %v, want %v to a thirty-second more", q, got, want)
		}
	}
	if l.max != time.Second || l.quantile(1) != time.Second {
		t.Errorf("max = %v, quantile 1 = %v; want 1s", l.max, l.quantile(1))
	}
}

func TestLatencyBucketsJoin(t *testing.T) {
	for us := range int64(100_000) {
		d := time.Duration(us) * time.Microsecond
		bound := latencyBound(latencyBucket(d))
		if d >= bound || latencyBucket(bound) != latencyBucket(d)+1 {
			t.Fatalf("%v is in a bucket that ends at %v", d, bound)
		}
	}
}
