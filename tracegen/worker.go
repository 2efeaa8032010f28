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

// worker makes and sends one request after the other.
type worker struct {
	cfg     Config
	plan    *plan
	sender  sender
	account *account
	encoder *encoder
}

func (w *worker) run(ctx context.Context) {
	for {
		o, ok := w.plan.claim(ctx)
		if !ok {
			return
		}
		for o.n > 0 {
			b := w.encoder.encode(w.cfg.Seed, o, w.now())
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

// deliver sends a request and accounts for it.
func (w *worker) deliver(ctx context.Context, o order, b batch) {
	amount := Amount{Requests: 1, Traces: uint64(b.traces), Spans: uint64(b.spans), Bytes: uint64(len(b.request))}
	w.account.made(amount, time.Since(o.due))
	answer, err := w.send(ctx, b.request)
	w.account.settled(Range{o.first, uint64(b.traces)}, amount, time.Since(o.due), answer, err)
	if err != nil {
		w.encoder.forget() // The transport may still hold the bytes.
	}
}

// send sends a request until it is answered finally or its time is over. A run
// that is ended lets the request under way be answered, but repeats nothing.
func (w *worker) send(ctx context.Context, request []byte) (answer, error) {
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.cfg.Timeout)
	defer cancel()
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		answer, err := w.sender.send(sending, request)
		if err == nil {
			return answer, nil
		}
		var r *refusal
		w.account.refused(err.Error())
		if errors.As(err, &r) && !r.retryable {
			return answer, err
		}
		pause := wait/2 + rand.N(wait/2) //nolint:gosec // jitter need not be secret
		if r != nil {
			pause = max(pause, r.after)
		}
		if deadline, _ := sending.Deadline(); time.Until(deadline) <= pause {
			return answer, err
		}
		select {
		case <-time.After(pause):
			w.account.retried()
		case <-ctx.Done():
			return answer, err
		}
	}
}
