package tracegen

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/tracegen/pace"
)

func planOf(t *testing.T, change func(*Config), weight float64) *plan {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Traces, cfg.Duration = 0, 0
	change(&cfg)
	s, err := newSchedule(cfg, weight)
	if err != nil {
		t.Fatal(err)
	}
	return newPlan(s, cfg.Batch, began)
}

var began = time.Unix(1000, 0)

// drain takes all that is due by then.
func drain(p *plan, elapsed time.Duration) (n int, all bool) {
	for {
		o, _, ok := p.take(began.Add(elapsed))
		n += o.n
		if o.n == 0 {
			return n, !ok
		}
	}
}

func TestWhatIsDueIsAFunctionOfTime(t *testing.T) {
	for _, test := range []struct {
		name    string
		cfg     func(*Config)
		elapsed time.Duration
		want    int
		all     bool
	}{
		{"the first is due at once", func(c *Config) { c.Rate, c.Duration = 0.1, time.Minute }, 0, 1, false},
		{"and the second after ten seconds", func(c *Config) { c.Rate, c.Duration = 0.1, time.Minute }, 10 * time.Second, 2, false},
		{"half way", func(c *Config) { c.Rate, c.Duration = 100, 10*time.Second }, 5*time.Second - 1, 500, false},
		{"a duration holds rate times as many", func(c *Config) { c.Rate, c.Duration = 100, 10*time.Second }, 10 * time.Second, 1000, true},
		{"and no more when the clock is late", func(c *Config) { c.Rate, c.Duration = 100, 10*time.Second }, time.Hour, 1000, true},
		{"a part of a period has its trace", func(c *Config) { c.Rate, c.Duration = 1, 2400*time.Millisecond }, time.Hour, 3, true},
		{"a count ends it", func(c *Config) { c.Rate, c.Traces = 100, 7 }, time.Second, 7, true},
		{"before the duration does", func(c *Config) { c.Rate, c.Traces, c.Duration = 100, 7, time.Hour }, time.Second, 7, true},
		{"without a rate all are due", func(c *Config) { c.Rate, c.Traces = 0, 7 }, 0, 7, true},
		{"until the duration is over", func(c *Config) { c.Rate, c.Duration = 0, time.Second }, time.Second, 0, true},
		{"a ramp", func(c *Config) { c.Rate, c.Pace, c.Duration = 100, "ramp:to=300,over=10s", 10*time.Second }, time.Hour, 2000, true},
		{"that ends at nothing", func(c *Config) { c.Rate, c.Pace, c.Traces = 100, "ramp:to=0,over=10s", 1e6 }, time.Hour, 501, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, all := drain(planOf(t, test.cfg, 1), test.elapsed); got != test.want || all != test.all {
				t.Errorf("after %v %d are due, all: %t; want %d, %t", test.elapsed, got, all, test.want, test.all)
			}
		})
	}
}

// A worker that comes late finds everything that was due meanwhile, and is
// told when the first of it was.
func TestPlanDoesNotForgiveLateness(t *testing.T) {
	p := planOf(t, func(c *Config) { c.Rate, c.Duration = 10, time.Minute }, 1)
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

// Spans are paced by what traces have weighed, not by what they might.
func TestSpansArePacedByWhatWasMade(t *testing.T) {
	p := planOf(t, func(c *Config) { c.Rate, c.Unit, c.Batch, c.Duration = 10_000, Spans, 10, time.Minute }, 30)
	total := 0.0
	for elapsed := time.Duration(0); elapsed <= time.Minute; elapsed += time.Millisecond {
		for {
			o, _, _ := p.take(began.Add(elapsed))
			if o.n == 0 {
				break
			}
			// Every hundredth trace is huge; the average is far from 30.
			spans := 0.0
			for i := range uint64(o.n) {
				if spans += 5; (o.first+i)%100 == 0 {
					spans += 900
				}
			}
			p.weighed(o.n, spans)
			total += spans
		}
	}
	if math.Abs(total-600_000) > 0.005*600_000 {
		t.Errorf("in a minute at 10,000 spans a second, %v spans are made", total)
	}
}

// The distances between Poisson arrivals are exponential: by Kolmogorov and
// Smirnov's test at one in a thousand, and in number.
func TestPoissonArrivals(t *testing.T) {
	const n = 20_000
	p := planOf(t, func(c *Config) { c.Rate, c.Poisson, c.Traces, c.Seed = 1000, true, n, 5 }, 1)
	var gaps []float64
	last := 0.0
	for range n {
		gaps = append(gaps, p.at-last)
		last = p.at
		p.at += p.schedule.gap()
	}
	if d := exponentialDistance(gaps); d > 1.95/math.Sqrt(n) {
		t.Errorf("the distances are %v from exponential", d)
	}
	if rate := n / last; math.Abs(rate-1) > 4/math.Sqrt(n) {
		t.Errorf("a unit holds %v arrivals", rate)
	}
	again := planOf(t, func(c *Config) { c.Rate, c.Poisson, c.Traces, c.Seed = 1000, true, n, 5 }, 1)
	if again.at != gaps[0] {
		t.Error("the same seed has other arrivals")
	}
}

// exponentialDistance is the largest difference between the distribution of a
// sample and the exponential one.
func exponentialDistance(sample []float64) float64 {
	sorted := slices.Sorted(slices.Values(sample))
	worst := 0.0
	for i, v := range sorted {
		want := 1 - math.Exp(-v)
		worst = max(worst, math.Abs(float64(i)/float64(len(sorted))-want), math.Abs(float64(i+1)/float64(len(sorted))-want))
	}
	return worst
}

func TestPacersAreAsked(t *testing.T) {
	p := planOf(t, func(c *Config) { c.Rate, c.Pace, c.Duration = 10, "burst:factor=5,for=1s,every=10s", time.Minute }, 1)
	want, err := pace.Parse("burst:factor=5,for=1s,every=10s", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Duration{9 * time.Second, 10 * time.Second, 35 * time.Second} {
		n, _ := drain(planOf(t, func(c *Config) { c.Rate, c.Pace, c.Duration = 10, "burst:factor=5,for=1s,every=10s", time.Minute }, 1), at)
		if due := want.Due(at); math.Abs(float64(n)-due) > 1 {
			t.Errorf("after %v %d are due, want %v", at, n, due)
		}
	}
	if _, wait, _ := p.take(began.Add(-time.Nanosecond)); wait > longestNap {
		t.Errorf("a nap of %v", wait)
	}
}
