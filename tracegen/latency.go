package tracegen

import (
	"math/bits"
	"time"
)

// latencies is a histogram whose buckets grow with the value: each is at most
// a thirty-second of it wide, from a microsecond to hours.
type latencies struct {
	counts [48 * 32]uint64
	n      uint64
	sum    time.Duration
	max    time.Duration
}

func (l *latencies) add(d time.Duration) {
	d = max(d, 0)
	l.counts[latencyBucket(d)]++
	l.n++
	l.sum += d
	l.max = max(l.max, d)
}

// quantile is the upper bound of the bucket in which the quantile lies.
func (l *latencies) quantile(q float64) time.Duration {
	rank := uint64(q * float64(l.n))
	var seen uint64
	for i, count := range l.counts {
		if seen += count; count > 0 && seen > rank {
			return min(latencyBound(i), l.max)
		}
	}
	return l.max
}

// latencyBucket numbers the microseconds by their highest five bits behind the
// first.
func latencyBucket(d time.Duration) int {
	us := uint64(d / time.Microsecond)
	if us < 32 {
		return int(us)
	}
	shift := bits.Len64(us) - 6
	return min((shift+1)*32+int(us>>shift)-32, 48*32-1)
}

func latencyBound(bucket int) time.Duration {
	if bucket < 32 {
		return time.Duration(bucket+1) * time.Microsecond
	}
	shift := bucket/32 - 1
	return time.Duration(uint64(bucket%32+33)<<shift) * time.Microsecond
}

func (l *latencies) quantiles() Quantiles {
	return Quantiles{l.quantile(0.5), l.quantile(0.9), l.quantile(0.99), l.max}
}

// Percentile is a latency below which so many percent lie.
type Percentile struct {
	P       float64 `json:"p"`
	Seconds float64 `json:"seconds"`
}

// percentiles are those of which a curve is drawn: ever closer to all.
func (l *latencies) percentiles() []Percentile {
	if l.n == 0 {
		return nil
	}
	var out []Percentile
	for _, p := range []float64{0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100} {
		out = append(out, Percentile{p, l.quantile(p / 100).Seconds()})
	}
	return out
}
