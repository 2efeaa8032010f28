package tracegen

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// The time between repetitions doubles from firstWait to longestWait, unless
// the receiver asks for more.
const (
	firstWait   = 50 * time.Millisecond
	longestWait = 5 * time.Second
)

// maker makes requests; it is used by one worker.
type maker interface {
	// encode makes as many of the order's traces as have room in a request. The
	// bytes are valid until the next call.
	encode(seed uint64, o order, now time.Time) batch
	// forget gives up the memory of the last request, which somebody else may
	// still read.
	forget()
}

// worker makes and sends one request after the other.
type worker struct {
	cfg     Config
	plan    *plan
	route   *route
	account *account
	maker   maker
}

func (w *worker) run(ctx context.Context) {
	for {
		o, ok := w.plan.claim(ctx)
		if !ok {
			return
		}
		for o.n > 0 {
			b := w.maker.encode(w.cfg.Seed, o, w.now())
			if w.cfg.Unit != Traces {
				w.plan.weighed(b.traces, b.weight(w.cfg.Unit))
			}
			w.deliver(ctx, o, b)
			o.first, o.n = o.first+uint64(b.traces), o.n-b.traces
		}
	}
}

// now is when the traces that are made now end.
func (w *worker) now() time.Time {
	if w.cfg.Epoch.IsZero() {
		return time.Now()
	}
	return w.cfg.Epoch
}

// deliver sends a batch and accounts for it.
func (w *worker) deliver(ctx context.Context, o order, b batch) {
	bodies, err := w.bodies(b)
	amount := Amount{Requests: uint64(len(bodies)), Traces: uint64(b.traces), Spans: uint64(b.spans), Bytes: uint64(b.size())}
	w.account.made(amount, time.Since(o.due))
	var taken answer
	if err == nil {
		taken, err = w.send(ctx, bodies)
	}
	w.account.settled(Range{o.first, uint64(b.traces)}, amount, time.Since(o.due), taken, err)
	if err != nil {
		w.maker.forget() // The transport may still hold the bytes.
	}
}

// bodies says a batch in the run's protocol.
func (w *worker) bodies(b batch) ([]body, error) {
	translate := dialects[w.cfg.Protocol].translate
	bodies := make([]body, 0, 1+len(b.rest))
	for _, request := range append([][]byte{b.request}, b.rest...) {
		said := [][]byte{request}
		if translate != nil {
			var err error
			if said, err = translate(request); err != nil {
				return nil, &refusal{reason: err.Error()}
			}
		}
		for _, s := range said {
			bodies = append(bodies, body{traces, s})
		}
	}
	return bodies, nil
}

// send sends until all is answered finally or the time is over. A run that is
// ended lets the request under way be answered, but repeats nothing.
func (w *worker) send(ctx context.Context, bodies []body) (answer, error) {
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.cfg.Timeout)
	defer cancel()
	d := w.route.newDelivery(bodies)
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := w.route.send(sending, d)
		if err == nil {
			return d.outcome()
		}
		pause := wait/2 + rand.N(wait/2) //nolint:gosec // jitter need not be secret
		if r, ok := errors.AsType[*refusal](err); ok {
			pause = max(pause, r.after)
		}
		if deadline, _ := sending.Deadline(); time.Until(deadline) <= pause {
			return answer{}, err
		}
		select {
		case <-time.After(pause):
			w.account.retried()
		case <-ctx.Done():
			return answer{}, err
		}
	}
}
