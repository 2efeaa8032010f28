package tracegen

import (
	"testing"
	"time"
)

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
