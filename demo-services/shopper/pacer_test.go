package shopper

import (
	"testing"
	"time"
)

func TestPacer(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		rate    pacer
		elapsed time.Duration
		before  uint64
		want    time.Duration
	}{
		{2, 0, 0, 0},
		{2, 0, 1, 500 * ms},
		{2, 300 * ms, 1, 200 * ms},
		{2, 500 * ms, 1, 0},
		{2, 500 * ms, 2, 500 * ms},
		{2, time.Hour, 2, 0}, // The process slept: what is due is due at once.
		{2, time.Hour, 7200, 0},
		{2, time.Hour, 7201, 500 * ms},
		{0.1, 0, 1, 10 * time.Second},
		{3, 0, 1, 333333333},
		{10_000, time.Second, 10_001, 100 * time.Microsecond},
		{1e-300, 0, 1, farAway}, // No overflow.
	} {
		if got := c.rate.wait(c.elapsed, c.before); got != c.want {
			t.Errorf("%v a second, after %v and %d orders: wait %v, want %v", float64(c.rate), c.elapsed, c.before, got, c.want)
		}
	}
}
