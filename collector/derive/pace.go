package derive

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/waybill-dev/waybill/collector/journal"
)

const (
	// maxRest bounds how long the journal is left alone while records come.
	// To wake up for each of them would cost more than to count it.
	maxRest = 100 * time.Millisecond
	// restBytes is about how much is to come meanwhile. It is still in the
	// journal's memory then, also where the rest takes longer than it should.
	restBytes = batchBytes / 2
	// catchUpFor bounds how long a scrape waits for what was journaled before it.
	catchUpFor = 500 * time.Millisecond
)

// slack is how much older than the last rest records may be of who keeps up.
const slack = 10 * time.Millisecond

// pace says how long to leave the journal alone. It is a function of what it is
// told, and of what it has said before.
type pace struct {
	last   time.Time     // when the batch before came
	rested time.Duration // after it
}

// rest is for after a batch of so many bytes that came now, whose last record
// was received at newest: about as long as half a batch takes to come. Who is
// behind does not rest. A journal may return less than it has, so that is told by
// the records' age.
func (p *pace) rest(now, newest time.Time, bytes int) time.Duration {
	in, age := now.Sub(p.last), now.Sub(newest)
	if p.last.IsZero() {
		in = maxRest
	}
	behind := bytes >= batchBytes || age < 0 || age > p.rested+slack
	if p.last, p.rested = now, 0; !behind {
		p.rested = time.Duration(min(float64(in)*restBytes/float64(max(bytes, 1)), float64(maxRest)))
	}
	return p.rested
}

// progress is how far counting has come. It is safe for concurrent use.
type progress struct {
	hurry chan struct{} // of one: somebody waits

	mu      sync.Mutex
	counted journal.Offset // all before it is
	moved   chan struct{}  // closed when that changes
}

func newProgress() *progress {
	return &progress{hurry: make(chan struct{}, 1), moved: make(chan struct{})}
}

func (p *progress) reach(to journal.Offset) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counted = to
	close(p.moved)
	p.moved = make(chan struct{})
}

func (p *progress) now() (journal.Offset, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counted, p.moved
}

// wait has counting make haste, and waits until it has come to an offset, or
// ctx ends.
func (p *progress) wait(ctx context.Context, to journal.Offset) {
	for {
		counted, moved := p.now()
		if counted >= to {
			return
		}
		select {
		case p.hurry <- struct{}{}:
		default:
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return
		}
	}
}

// pause waits, unless somebody is in a hurry.
func (p *progress) pause(stop context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.hurry:
	case <-stop.Done():
	}
}

// current gathers what is up to date: all that had been journaled.
type current struct {
	prometheus.Gatherer
	journal  journal.Journal
	progress *progress
	stop     context.Context
}

// Gather implements prometheus.Gatherer.
func (c current) Gather() ([]*dto.MetricFamily, error) {
	ctx, cancel := context.WithTimeout(c.stop, catchUpFor)
	defer cancel()
	c.progress.wait(ctx, c.journal.Stats().End)
	return c.Gatherer.Gather()
}
