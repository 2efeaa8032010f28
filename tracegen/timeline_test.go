package tracegen

import (
	"testing"
	"time"
)

// The stretches of a timeline add up to the whole, however long it is.
func TestTimeline(t *testing.T) {
	l := newTimeline(func(elapsed time.Duration) float64 { return 10 * elapsed.Seconds() })
	var totals Report
	const seconds = 2500
	for s := 1; s <= seconds; s++ {
		l.latencies.add(time.Duration(s) * time.Millisecond)
		totals.Made.add(Amount{1, 10, 300, 9000})
		totals.Retries++
		l.tick(time.Duration(s)*time.Second, totals, s == seconds)
	}
	var sum Moment
	last := 0.0
	for i, m := range l.moments {
		if m.Until <= last || m.Latency.Max < last/1000 {
			t.Fatalf("stretch %d: %+v", i, m)
		}
		last = m.Until
		sum.Made.add(m.Made)
		sum.Retries += m.Retries
		sum.Due += m.Due
	}
	if len(l.moments) >= maxMoments || last != seconds || sum.Made != totals.Made || sum.Retries != seconds || sum.Due < 10*seconds-1e-6 || sum.Due > 10*seconds+1e-6 {
		t.Errorf("%d stretches until %v; sums: %+v", len(l.moments), last, sum)
	}
}

func TestTicksThatComeTooSoonAreNone(t *testing.T) {
	l := newTimeline(func(time.Duration) float64 { return 0 })
	l.tick(100*time.Millisecond, Report{}, false)
	l.tick(950*time.Millisecond, Report{}, false)
	l.tick(1200*time.Millisecond, Report{}, false)
	l.tick(2*time.Second, Report{}, false)
	l.tick(2300*time.Millisecond, Report{}, true) // too short to stand alone
	if len(l.moments) != 2 || l.moments[0].Until != 0.95 || l.moments[1].Until != 2.3 {
		t.Errorf("stretches = %+v", l.moments)
	}
}
