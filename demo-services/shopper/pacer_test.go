package shopper

import (
	"math"
	"testing"
	"time"
)

func TestSteadyRate(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		rate   steady
		orders float64
		want   time.Duration
	}{
		{2, 0, 0},
		{2, 1, 500 * ms},
		{2, 7201, time.Hour + 500*ms},
		{0.1, 1, 10 * time.Second},
		{3, 1, 333333333},
		{10_000, 10_001, time.Second + 100*time.Microsecond},
		{1e-300, 1, farAway}, // No overflow.
	} {
		got := c.rate.When(c.orders)
		if got != c.want {
			t.Errorf("%v a second: order %v is due after %v, want %v", float64(c.rate), c.orders, got, c.want)
		}
		if due := c.rate.Due(got); c.rate > 0.01 && math.Abs(due-c.orders) > 1e-3 {
			t.Errorf("%v a second: %v are due after %v", float64(c.rate), due, got)
		}
		if now := rate(c.rate, got); math.Abs(now-float64(c.rate)) > 1e-6*float64(c.rate) && c.rate > 0.01 {
			t.Errorf("the rate after %v is %v, want %v", got, now, float64(c.rate))
		}
	}
}
