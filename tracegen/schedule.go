package tracegen

import (
	"context"
	"math"
	"sync"
	"time"
)

// schedule says which traces are due when. It is a pure function of the time
// that has passed.
type schedule struct {
	rate     float64 // traces a second; 0 has all of them due at once
	traces   uint64  // 0 is no limit
	duration time.Duration
}

// due is how many traces are due once so much time has passed, and whether
// that is all there will ever be.
func (s schedule) due(elapsed time.Duration) (n uint64, all bool) {
	all = s.duration > 0 && elapsed >= s.duration
	n = math.MaxUint64
	if s.rate > 0 {
		n = uint64(elapsed.Seconds()*s.rate) + 1 // the first is due at once
		if s.duration > 0 {
			n = min(n, uint64(math.Ceil(s.duration.Seconds()*s.rate-1e-9)))
		}
	}
	if s.traces > 0 && n >= s.traces {
		return s.traces, true
	}
	return n, all
}

// at is when trace i (from 0) is due.
func (s schedule) at(i uint64) time.Duration {
	if s.rate <= 0 {
		return 0
	}
	return time.Duration(float64(i) / s.rate * float64(time.Second))
}

// plan hands out the traces that are due, in order, each once. It is safe for
// concurrent use.
type plan struct {
	schedule schedule
	batch    int
	began    time.Time

	mu   sync.Mutex
	next uint64
}

// order is a row of traces that one request is to carry.
type order struct {
	first uint64
	n     int
	// due is when the first of them was.
	due time.Time
}

// claim waits until traces are due and takes some; it returns false when there
// will be no more, or ctx ends.
func (p *plan) claim(ctx context.Context) (order, bool) {
	for ctx.Err() == nil {
		now := time.Now()
		o, wait, ok := p.take(now)
		if o.n > 0 || !ok {
			return o, ok
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return order{}, false
}

// take takes what is due now, or says how long it is until something is.
func (p *plan) take(now time.Time) (o order, wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := now.Sub(p.began)
	due, all := p.schedule.due(elapsed)
	expired := p.schedule.duration > 0 && elapsed >= p.schedule.duration
	if p.schedule.rate == 0 && expired || p.next >= due && all {
		return order{}, 0, false
	}
	if p.next >= due {
		return order{}, max(p.schedule.at(p.next)-elapsed, 50*time.Microsecond), true
	}
	o = order{first: p.next, n: int(min(due-p.next, uint64(p.batch))), due: now}
	if p.schedule.rate > 0 {
		o.due = p.began.Add(p.schedule.at(p.next))
	}
	p.next += uint64(o.n)
	return o, 0, true
}
