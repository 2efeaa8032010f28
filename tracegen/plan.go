package tracegen

import (
	"context"
	"sync"
	"time"

	"github.com/waybill-dev/waybill/tracegen/pace"
)

// plan hands out the traces that are due, in order, each once. It is safe for
// concurrent use.
type plan struct {
	schedule schedule
	batch    int
	began    time.Time

	mu   sync.Mutex
	next uint64
	// at is where the next trace is due, in units.
	at float64
}

func newPlan(s schedule, batch int, began time.Time) *plan {
	return &plan{schedule: s, batch: batch, began: began, at: s.first()}
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

// longestNap bounds how long a worker sleeps: what it waits for may be due
// sooner once others have told what their traces weigh.
const longestNap = time.Second

// take takes what is due now, or says how long it is until something is.
func (p *plan) take(now time.Time) (o order, wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := now.Sub(p.began)
	room := p.batch
	if limit := p.schedule.traces; limit > 0 {
		room = int(min(uint64(room), limit-p.next))
	}
	if room == 0 {
		return order{}, 0, false
	}
	if p.schedule.pacer == nil {
		if p.schedule.duration > 0 && elapsed >= p.schedule.duration {
			return order{}, 0, false
		}
		o = order{first: p.next, n: room, due: now}
		p.next += uint64(room)
		return o, 0, true
	}
	return p.takeDue(elapsed, room)
}

func (p *plan) takeDue(elapsed time.Duration, room int) (o order, wait time.Duration, ok bool) {
	units, all := p.schedule.due(elapsed)
	more := p.schedule.duration == 0 || p.at < p.schedule.end()
	if !more || p.at > units && all {
		// Those under way may weigh less than was thought, but then it is late.
		return order{}, 0, false
	}
	when := p.schedule.pacer.When(p.at)
	if when == pace.Never {
		return order{}, 0, false
	}
	if p.at > units {
		return order{}, min(max(when-elapsed, 50*time.Microsecond), longestNap), true
	}
	o = order{first: p.next, due: p.began.Add(when)}
	for o.n < room && p.at <= units && (p.schedule.duration == 0 || p.at < p.schedule.end()) {
		o.n++
		p.at += p.schedule.gap()
	}
	p.next += uint64(o.n)
	return o, 0, true
}

// weighed tells what a number of traces have weighed, in units, where the plan
// reckoned with the average.
func (p *plan) weighed(traces int, units float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at += units - float64(traces)*p.schedule.weight
}
