// Package pace says when load is due. A pacer is a pure function of the time
// that has passed and of the count, so that it is tested without sleeping, and
// a receiver that stalls cannot slow it down.
package pace

import (
	"math"
	"sort"
	"time"
)

// Pacer says how much is due when. Both methods are pure, safe for concurrent
// use, and never decrease.
type Pacer interface {
	// Due is how many units are due once so much time has passed.
	Due(elapsed time.Duration) float64
	// When is after how much time so many units are due: the earliest, and
	// Never where they never are.
	When(units float64) time.Duration
}

// Never is when something that is never due is due.
const Never = time.Duration(math.MaxInt64)

// Constant is a rate that stays as it is, in units a second.
type Constant float64

// Due is the rate's share of the time.
func (c Constant) Due(elapsed time.Duration) float64 { return float64(c) * elapsed.Seconds() }

// When divides by the rate.
func (c Constant) When(units float64) time.Duration {
	if c <= 0 {
		return Never
	}
	return seconds(units / float64(c))
}

// curve is a rate that changes: its integral from the start, in units, by
// seconds.
type curve func(seconds float64) float64

func (c curve) Due(elapsed time.Duration) float64 { return c(elapsed.Seconds()) }

// horizon is the longest that a curve is looked ahead, in seconds.
const horizon = float64(1 << 31)

// When halves the time in which the units become due until it is a nanosecond.
func (c curve) When(units float64) time.Duration {
	if units <= 0 {
		return 0
	}
	high := 1.0
	for c(high) < units {
		if high *= 2; high > horizon {
			return Never
		}
	}
	low := 0.0
	for high-low > 1e-9 && high-low > high*1e-15 {
		if middle := (low + high) / 2; c(middle) < units {
			low = middle
		} else {
			high = middle
		}
	}
	return seconds(high)
}

func seconds(s float64) time.Duration {
	if s >= horizon {
		return Never
	}
	return time.Duration(s * float64(time.Second))
}

// Ramp goes from one rate to another in a straight line, and stays there.
func Ramp(from, to float64, over time.Duration) Pacer {
	length := over.Seconds()
	return curve(func(s float64) float64 {
		t := min(s, length)
		return from*t + (to-from)*t*t/(2*length) + to*(s-t)
	})
}

// Steps adds to a rate every so often, until it has reached a limit.
func Steps(from, add float64, every time.Duration, limit float64) Pacer {
	length := every.Seconds()
	last := math.Floor((limit - from) / add) // steps that are taken
	return curve(func(s float64) float64 {
		whole := min(math.Floor(s/length), last)
		// Each step that is over has lasted its length.
		return length*(whole*from+add*whole*(whole-1)/2) + (s-whole*length)*(from+add*whole)
	})
}

// Sine swings around a rate by an amplitude, which is not above it. It begins
// in the middle and goes up.
func Sine(middle, amplitude float64, period time.Duration) Pacer {
	length := period.Seconds()
	return curve(func(s float64) float64 {
		return middle*s + amplitude*length/(2*math.Pi)*(1-math.Cos(2*math.Pi*s/length))
	})
}

// Burst is a rate that is multiplied for a while at the end of every period.
func Burst(rate, factor float64, lasting, every time.Duration) Pacer {
	long, period := lasting.Seconds(), every.Seconds()
	calm := period - long
	return curve(func(s float64) float64 {
		whole := math.Floor(s / period)
		t := s - whole*period
		within := min(t, calm) + max(t-calm, 0)*factor
		return rate * (whole*(calm+long*factor) + within)
	})
}

// recorded is when units were due once before.
type recorded struct {
	times  []time.Duration // in order, from the first on
	copies int
}

// Recorded has each of some times due again, so many times at once. The times
// are from the first on, in order.
func Recorded(times []time.Duration, copies int) Pacer { return recorded{times, copies} }

// Due is the number of the last unit that is due, counted from 0.
func (r recorded) Due(elapsed time.Duration) float64 {
	n := sort.Search(len(r.times), func(i int) bool { return r.times[i] > elapsed })
	return float64(n*r.copies) - 1
}

// When looks the time up.
func (r recorded) When(units float64) time.Duration {
	i := int(max(math.Ceil(units), 0)) / r.copies
	if i >= len(r.times) {
		return Never
	}
	return r.times[i]
}
