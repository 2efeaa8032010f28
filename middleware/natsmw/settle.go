package natsmw

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// What becomes of a delivery, as the attribute and the label tell it.
const (
	outcomeAck  = "ack"
	outcomeNak  = "nak"  // it is to come again
	outcomeTerm = "term" // it is never to come again
	// outcomeNone is that the handler has returned without a word. JetStream
	// delivers the message again when its time is over, unless the consumer has
	// AckNone or the handler settles it later.
	outcomeNone = "none"
	// outcomeTimeout is that the word came, or the handler returned, too late:
	// see WithAckWait.
	outcomeTimeout = "timeout"
)

// settled identifies one series of the counter of outcomes.
type settled struct {
	destination destination
	group       string
	outcome     string
	redelivered bool
}

func (m *Messenger) newOutcomes() (*instrument.Counter[settled], error) {
	values := func(s settled) []string {
		return []string{s.destination.name, s.destination.template, s.group, s.outcome, strconv.FormatBool(s.redelivered)}
	}
	return instrument.NewCounter(m.source.Registerer(), "waybill_messaging_outcomes_total",
		"Messages that were processed, by what the server was told: ack, nak, term, none, or too late (timeout).", values,
		append(semconv.Labels(semconv.MessagingDestinationName, semconv.MessagingDestinationTemplate, semconv.MessagingConsumerGroup),
			"outcome", "redelivered")...)
}

// delivery is a message as its handler gets it: it notes what the server is
// told of it, for as long as the handler runs. It is safe for concurrent use.
type delivery struct {
	jetstream.Msg
	span    trace.Span
	ackWait time.Duration // 0 if it is not known

	mu       sync.Mutex
	closed   bool
	outcome  string
	progress int       // how often the server was told to wait
	since    time.Time // since when it waits
}

// note keeps the outcome that the server has taken. Only the first is one.
func (d *delivery) note(outcome string, err error, attributes ...attribute.KeyValue) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || errors.Is(err, jetstream.ErrMsgAlreadyAckd) {
		return err
	}
	if err != nil {
		attributes = append(attributes, semconv.ErrorType.String(errorType(err)))
	}
	// That a message is acknowledged is what is expected.
	if (outcome != outcomeAck || err != nil) && d.span.IsRecording() {
		d.span.AddEvent(outcome, trace.WithAttributes(attributes...))
	}
	if err == nil && d.outcome == "" {
		if d.outcome = outcome; d.late() {
			d.outcome = outcomeTimeout
		}
	}
	return err
}

// late says that the server has stopped waiting.
func (d *delivery) late() bool { return d.ackWait > 0 && time.Since(d.since) > d.ackWait }

// Ack is as in jetstream.Msg, and so are the others.
func (d *delivery) Ack() error { return d.note(outcomeAck, d.Msg.Ack()) }

// DoubleAck waits for the server, so that its outcome is certain.
func (d *delivery) DoubleAck(ctx context.Context) error {
	return d.note(outcomeAck, d.Msg.DoubleAck(ctx))
}

// Nak has the message delivered again at once.
func (d *delivery) Nak() error { return d.note(outcomeNak, d.Msg.Nak()) }

// NakWithDelay has it delivered again later.
func (d *delivery) NakWithDelay(delay time.Duration) error {
	return d.note(outcomeNak, d.Msg.NakWithDelay(delay), semconv.MessagingRedeliveryDelay.Float64(delay.Seconds()))
}

// Term has it delivered never again.
func (d *delivery) Term() error { return d.note(outcomeTerm, d.Msg.Term()) }

// TermWithReason also tells why.
func (d *delivery) TermWithReason(reason string) error {
	return d.note(outcomeTerm, d.Msg.TermWithReason(reason), semconv.MessagingTermReason.String(reason))
}

// InProgress has the server wait for as long again.
func (d *delivery) InProgress() error {
	err := d.Msg.InProgress()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil && !d.closed {
		d.progress++
		if !d.late() {
			d.since = time.Now()
		}
	}
	return err
}

// close ends the noting, when the handler has returned or panicked, and gives
// what has become of the message.
func (d *delivery) close() (outcome string, progress int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	switch {
	case d.outcome != "":
		return d.outcome, d.progress
	case d.late():
		return outcomeTimeout, d.progress
	}
	return outcomeNone, d.progress
}
