package tracegen

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"
)

// Routing is which of several targets a request goes to.
type Routing string

// The ways to route requests.
const (
	// RoundRobin gives each request to the next target. What one refuses for
	// now, the next is asked at once.
	RoundRobin Routing = "round-robin"
	// Failover gives all requests to the first target until it does not take
	// one; then to the next, and so on, and after the last to the first.
	Failover Routing = "failover"
	// Mirror gives each request to every target. It is acknowledged once all
	// have it.
	Mirror Routing = "mirror"
)

// target is a receiver with what it has answered.
type target struct {
	sender
	endpoint          string
	accepted, refused atomic.Uint64
}

// route sends to the targets. It is safe for concurrent use.
type route struct {
	routing Routing
	targets []*target
	account *account
	// turn is the target that is asked next, but for their number.
	turn atomic.Uint64
}

func newRoute(cfg Config, account *account) (*route, error) {
	r := &route{routing: cfg.Routing, account: account}
	for _, endpoint := range cfg.endpoints() {
		s, err := dial(cfg, endpoint)
		if err != nil {
			_ = r.close() // it has sent nothing
			return nil, err
		}
		r.targets = append(r.targets, &target{sender: s, endpoint: redact(endpoint)})
	}
	return r, nil
}

func (r *route) close() error {
	var errs []error
	for _, t := range r.targets {
		errs = append(errs, t.close())
	}
	return errors.Join(errs...)
}

// counts is what each target has answered; nil where there is only one.
func (r *route) counts() []Target {
	if len(r.targets) < 2 {
		return nil
	}
	out := make([]Target, 0, len(r.targets))
	for _, t := range r.targets {
		out = append(out, Target{t.endpoint, t.accepted.Load(), t.refused.Load()})
	}
	return out
}

// delivery is a batch on its way. It outlives attempts: what has been taken is
// not sent again.
type delivery struct {
	bodies []body
	// ways are the targets that are to have it: one, or with Mirror each.
	ways []way
	// broken says that an attempt has failed. Its transport may go on reading
	// the bodies for a while.
	broken atomic.Bool
}

// way is how far a delivery has come.
type way struct {
	next   int // the first body that is not taken
	answer answer
	err    error // a final refusal
}

func (r *route) newDelivery(bodies []body) *delivery {
	ways := 1
	if r.routing == Mirror {
		ways = len(r.targets)
	}
	return &delivery{bodies: bodies, ways: make([]way, ways)}
}

// outcome is what a delivery that is over has come to: of a mirror the worst.
func (d *delivery) outcome() (worst answer, err error) {
	for _, w := range d.ways {
		if w.err != nil && err == nil {
			err = w.err
		}
		if w.answer.rejected >= worst.rejected && w.answer != (answer{}) {
			worst = w.answer
		}
	}
	return worst, err
}

// send makes one attempt. Its error may be tried again; what is final is in the
// delivery.
func (r *route) send(ctx context.Context, d *delivery) error {
	if r.routing == Mirror {
		return r.mirror(ctx, d)
	}
	first := r.turn.Load()
	if r.routing != Failover {
		first = r.turn.Add(1) - 1
	}
	var err error
	for i := range uint64(len(r.targets)) {
		t := r.targets[(first+i)%uint64(len(r.targets))]
		if err = r.advance(ctx, d, &d.ways[0], t); err == nil || ctx.Err() != nil {
			return err
		}
		if r.routing == Failover {
			r.turn.CompareAndSwap(first+i, first+i+1)
		}
	}
	return err
}

func (r *route) mirror(ctx context.Context, d *delivery) error {
	errs := make([]error, len(r.targets))
	var sending sync.WaitGroup
	for i, t := range r.targets {
		sending.Go(func() { errs[i] = r.advance(ctx, d, &d.ways[i], t) })
	}
	sending.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// advance gives a target what it does not have yet.
func (r *route) advance(ctx context.Context, d *delivery, w *way, t *target) error {
	for ; w.next < len(d.bodies) && w.err == nil; w.next++ {
		a, err := t.send(ctx, d.bodies[w.next])
		if err != nil {
			d.broken.Store(true)
			t.refused.Add(1)
			r.account.refused(r.reason(t, err))
			if !final(err) {
				return err
			}
			w.err = err
			return nil
		}
		t.accepted.Add(1)
		w.answer.rejected += a.rejected
		if a.message != "" {
			w.answer.message = a.message
		}
	}
	return nil
}

// reason says why, and where there are several targets, whose reason it is.
func (r *route) reason(t *target, err error) string {
	why := withoutPort(err.Error())
	if len(r.targets) > 1 {
		return fmt.Sprintf("%s: %s", t.endpoint, why)
	}
	return why
}

// ephemeral is how the net package writes a connection down. Our end of it is
// another each time.
var ephemeral = regexp.MustCompile(`\b(tcp|tcp4|tcp6) \S+:\d+->`)

// withoutPort leaves our end of a connection out, so that what is the same
// reason reads the same.
func withoutPort(reason string) string { return ephemeral.ReplaceAllString(reason, "$1 ") }
