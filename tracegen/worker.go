package tracegen

import (
	"context"
	"time"
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
	courier
	plan  *plan
	maker maker
}

func (w *worker) run(ctx context.Context) {
	for {
		o, ok := w.plan.claim(ctx)
		if !ok {
			return
		}
		for o.n > 0 {
			now := w.now()
			b := w.maker.encode(w.cfg.Seed, o, now)
			if w.cfg.Unit != Traces {
				w.plan.weighed(b.traces, b.weight(w.cfg.Unit))
			}
			w.deliver(ctx, o, b)
			if m, ok := w.maker.(logMaker); ok && w.cfg.Logs {
				requests, records := m.encodeLogs(w.cfg.Seed, Range{o.first, uint64(b.traces)}, now)
				w.courier.deliver(ctx, logs, requests, uint64(records))
			}
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
	bodies, err := w.bodies(traces, append([][]byte{b.request}, b.rest...))
	amount := Amount{Requests: uint64(len(bodies)), Traces: uint64(b.traces), Spans: uint64(b.spans), Bytes: uint64(b.size())}
	w.account.made(amount, time.Since(o.due))
	var taken answer
	d := w.route.newDelivery(bodies)
	if err == nil {
		taken, err = w.send(ctx, d)
	}
	w.account.settled(Range{o.first, uint64(b.traces)}, amount, time.Since(o.due), taken, err)
	if d.broken.Load() {
		w.maker.forget()
	}
}
