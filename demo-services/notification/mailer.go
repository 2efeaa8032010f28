package notification

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"github.com/waybill-dev/waybill/demo-services/pause"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

const (
	// sendTimeout bounds one attempt. leaseTime is how long a message is left to
	// whoever sends it: longer, and with time to write down what came of it.
	sendTimeout = 20 * time.Second
	leaseTime   = 45 * time.Second
	recordTime  = 15 * time.Second
	// sendParallel is how many messages are sent at once.
	sendParallel = 32
	// lookInterval is how often the queue is looked at without a reason.
	lookInterval = time.Second
	// firstRetry doubles with each attempt, up to lastRetry; after giveUp a message
	// is refused.
	firstRetry = time.Second
	lastRetry  = 15 * time.Minute
	giveUp     = 24 * time.Hour
	// sendGrace is how long messages that are being sent may go on at the end.
	sendGrace = time.Second
)

// sender hands one message to who delivers it. An error says that it can be tried
// again, unless it is a *refusal.
type sender interface {
	send(ctx context.Context, m Message) error
}

// refusal is an answer that no repetition changes.
type refusal struct{ failure }

// failure is why a message was not sent: in words that hold nothing of the
// message, and as an error.type.
type failure struct{ text, kind string }

func (f *failure) Error() string { return f.text }

// errorType is the error's, by the conventions; empty without one.
func errorType(err error) string {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return refused.kind
	}
	if failed, ok := errors.AsType[*failure](err); ok {
		return failed.kind
	}
	if err != nil {
		return fmt.Sprintf("%T", err)
	}
	return ""
}

// ownOutbox is where messages stay without a mail server: what sending one takes
// passes, and it is in the database.
type ownOutbox struct{ takes platform.Delay }

func (o ownOutbox) send(ctx context.Context, _ Message) error { return o.takes.Wait(ctx) }

// Mailer sends what is in the store's queue. Instances may share a queue: each
// message is one's at a time.
type Mailer struct {
	store   *Store
	sender  sender
	metrics *metrics
	logger  *slog.Logger
	now     func() time.Time
	wake    chan struct{}
}

func newMailer(store *Store, s sender, logger *slog.Logger) *Mailer {
	return &Mailer{store: store, sender: s, metrics: newMetrics(), logger: logger, now: time.Now, wake: make(chan struct{}, 1)}
}

// Wake says that there is something in the queue. It never blocks.
func (m *Mailer) Wake() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Run sends until the context ends and what is being sent has ended, too, or its
// grace is over. What is then in the queue is sent after the next start.
func (m *Mailer) Run(ctx context.Context) {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	running := make(chan struct{}, sendParallel)
	defer func() {
		defer time.AfterFunc(sendGrace, cancel).Stop()
		for range sendParallel { // Taking every place means that all have returned.
			running <- struct{}{}
		}
	}()
	for {
		select {
		case running <- struct{}{}:
		case <-ctx.Done():
			return
		}
		message, err := m.store.Claim(ctx, m.now(), leaseTime)
		if err == nil {
			go func() {
				defer func() { <-running }()
				m.deliver(sending, message)
			}()
			continue
		}
		<-running
		if !nothingDue(err) && ctx.Err() == nil {
			m.logger.Warn("the queue of messages can't be read", "error", err)
		}
		if !m.rest(ctx) {
			return
		}
	}
}

// rest waits for a reason to look again; false is the end.
func (m *Mailer) rest(ctx context.Context) bool {
	timer := time.NewTimer(lookInterval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-m.wake:
	}
	return true
}

// deliver tries to send one message, in the trace of its event, and writes down
// what came of it. If that can't be written down, the message is sent again when
// the lease ends: rather twice than never.
func (m *Mailer) deliver(ctx context.Context, message Message) {
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": message.Traceparent})
	attempt, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	start := m.now()
	err := m.sender.send(attempt, message)
	outcome, record := m.outcome(ctx, message, err)
	m.metrics.attempt(ctx, outcome, err, m.now().Sub(start))
	log := m.logger.With("order_id", message.OrderID, "event_id", message.EventID, "attempt", message.Attempts)
	switch outcome {
	case outcomeSent:
		log.InfoContext(ctx, "message sent")
	case outcomeRefused:
		log.ErrorContext(ctx, "message is given up", "error", err)
	default:
		log.WarnContext(ctx, "message is sent later", "error", err)
	}
	if err := insist(ctx, record); err != nil {
		log.ErrorContext(ctx, "what came of a message is not written down, it is tried again", "outcome", outcome, "error", err)
	}
}

// What an attempt comes to.
const (
	outcomeSent    = "sent"
	outcomeLater   = "later"
	outcomeRefused = "refused"
)

// outcome is what an attempt has come to, and what writes it down. One that was cut
// off by the end of the process is due at once.
func (m *Mailer) outcome(ctx context.Context, message Message, err error) (string, func(context.Context) error) {
	now := m.now()
	_, refused := errors.AsType[*refusal](err)
	switch {
	case err == nil:
		return outcomeSent, func(ctx context.Context) error { return m.store.Sent(ctx, message.EventID, now) }
	case refused, now.Sub(message.QueuedAt) > giveUp:
		return outcomeRefused, func(ctx context.Context) error { return m.store.Refuse(ctx, message.EventID, err.Error()) }
	default:
		due := now.Add(retryAfter(message.Attempts))
		if ctx.Err() != nil {
			due = now
		}
		return outcomeLater, func(ctx context.Context) error { return m.store.Postpone(ctx, message.EventID, err.Error(), due) }
	}
}

// retryAfter is how long to wait after so many attempts. A part of it is random, so
// that messages that have failed together do not come again together.
func retryAfter(attempts int) time.Duration {
	wait := min(firstRetry<<min(attempts-1, 20), lastRetry)
	return wait/2 + rand.N(wait/2) //nolint:gosec // Who waits for how long is no secret.
}

// insist repeats what must not be forgotten while there is time, even at the end.
func insist(ctx context.Context, record func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	for {
		err := record(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if pause.For(ctx, 250*time.Millisecond) != nil {
			return err
		}
	}
}
