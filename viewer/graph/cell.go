package graph

import (
	"math/bits"
	"time"
)

// The histogram has four steps per power of two of a microsecond, so that a
// quantile is within an eighth of the truth, from 1 µs to about 18 minutes.
const (
	stepsPerDoubling = 4
	doublings        = 30
	steps            = stepsPerDoubling * doublings
)

// Cell counts calls and their durations.
type Cell struct {
	Calls, Errors uint64
	durations     [steps]uint32
}

func (c *Cell) add(took time.Duration, failed bool) {
	c.Calls++
	if failed {
		c.Errors++
	}
	c.durations[step(took)]++
}

func (c *Cell) merge(other *Cell) {
	c.Calls += other.Calls
	c.Errors += other.Errors
	for i, n := range other.durations {
		c.durations[i] += n
	}
}

// Quantile estimates the duration that the share q of the calls, from 0 to 1,
// did not exceed; it is 0 when there were none.
func (c *Cell) Quantile(q float64) time.Duration {
	var total uint64
	for _, n := range c.durations {
		total += uint64(n)
	}
	rank := q * float64(total)
	var below float64
	for i, n := range c.durations {
		if n > 0 && below+float64(n) >= rank {
			low, high := lower(i), lower(i+1)
			share := (rank - below) / float64(n)
			return low + time.Duration(share*float64(high-low))
		}
		below += float64(n)
	}
	return 0
}

// step is the histogram's step that holds the duration.
func step(took time.Duration) int {
	us := uint64(max(took.Microseconds(), 0)) + 1
	doubling := bits.Len64(us) - 1
	within := (us - 1<<doubling) * stepsPerDoubling >> doubling
	return min(doubling*stepsPerDoubling+int(within), steps-1)
}

// lower is the shortest duration of a step.
func lower(i int) time.Duration {
	doubling, within := i/stepsPerDoubling, i%stepsPerDoubling
	us := float64(uint64(1)<<doubling) * (1 + float64(within)/stepsPerDoubling)
	return time.Duration((us - 1) * float64(time.Microsecond))
}
