package client

import (
	"context"
	"sync"
	"time"
)

const (
	// retryAfterError is how long a cache does not ask again for a service that
	// it has an old answer for.
	retryAfterError = time.Second
	// patience is how long it waits for a new one then.
	patience = 2 * time.Second
)

// Cached remembers what discovery finds for ttl. After that one caller asks
// anew, while the others go on with what is there. When that fails, what is
// there is used for stale more, and asked for again once a second. What is not
// there at all all callers wait for together.
//
// It does nothing in the background: the call that finds its answer too old
// waits for the new one, for two seconds if the old one will do.
func Cached(discovery Discovery, ttl, stale time.Duration) Discovery {
	return &cache{discovery: discovery, ttl: ttl, stale: stale, answers: map[string]*answer{}}
}

type cache struct {
	discovery  Discovery
	ttl, stale time.Duration

	mu      sync.Mutex
	answers map[string]*answer
}

// answer is what is known of one service. It belongs to the cache's mutex.
type answer struct {
	instances []Instance
	found     time.Time // zero if nothing ever was
	askAgain  time.Time
	asking    *question // nil if nobody is
}

// question is a look-up that is under way.
type question struct {
	done      chan struct{} // closed when the rest is there
	hurried   bool          // there is an old answer that will do
	instances []Instance
	err       error
	gaveUp    bool // who asked had no time left, which says nothing to others
}

// Resolve implements Discovery.
func (c *cache) Resolve(ctx context.Context, service string) ([]Instance, error) {
	known, q, mine := c.look(service)
	switch {
	case q == nil:
		return known, nil
	case mine:
		return c.ask(ctx, service, q)
	}
	select {
	case <-q.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if q.gaveUp && ctx.Err() == nil {
		return c.Resolve(ctx, service)
	}
	return q.instances, q.err
}

// look gives what may be used at once, or the question whose answer to wait
// for. If it is mine, the caller has to ask it.
func (c *cache) look(service string) (known []Instance, q *question, mine bool) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.answers[service]
	if a == nil {
		a = &answer{}
		c.answers[service] = a
	}
	usable := !a.found.IsZero() && now.Before(a.found.Add(c.ttl+c.stale))
	switch {
	case usable && (a.asking != nil || now.Before(a.askAgain)):
		return a.instances, nil, false
	case a.asking != nil:
		return nil, a.asking, false
	}
	a.asking = &question{done: make(chan struct{}), hurried: usable}
	return nil, a.asking, true
}

// ask answers the question, also for those who wait.
func (c *cache) ask(ctx context.Context, service string, q *question) (instances []Instance, err error) {
	asking := ctx
	if q.hurried {
		var cancel context.CancelFunc
		asking, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	err = ErrNoInstance // in case that the discovery panics
	defer func() {
		q.gaveUp = err != nil && ctx.Err() != nil
		instances, err = c.settle(service, q, instances, err)
	}()
	return c.discovery.Resolve(asking, service)
}

// settle keeps the answer, or falls back on the one before.
func (c *cache) settle(service string, q *question, instances []Instance, err error) ([]Instance, error) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.answers[service]
	a.asking = nil
	switch {
	case err == nil:
		a.instances, a.found, a.askAgain = instances, now, now.Add(c.ttl)
	case !a.found.IsZero() && now.Before(a.found.Add(c.ttl+c.stale)):
		a.askAgain = now.Add(retryAfterError)
		instances, err = a.instances, nil
	default:
		delete(c.answers, service)
	}
	q.instances, q.err = instances, err
	close(q.done)
	return instances, err
}
