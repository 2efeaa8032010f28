package natsmw

import (
	"time"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
)

// Telemetry is where spans and metrics go. *middleware.Telemetry is one.
type Telemetry = instrument.Source

// Option changes what New makes.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// config is what the options come to.
type config struct {
	source      Telemetry
	destination func(subject string) string
	group       string
	child       bool
	ackWait     time.Duration
}

// WithTelemetry sends spans and metrics there. Otherwise they go to
// OpenTelemetry's global tracer provider and client_golang's default registry.
func WithTelemetry(telemetry Telemetry) Option {
	return optionFunc(func(c *config) { c.source = telemetry })
}

// WithDestination names a subject for spans and metrics, so that subjects with
// ids in them do not each make a series: orders.42.paid may be orders.*.paid,
// which becomes messaging.destination.template. Otherwise it is the subject
// itself, and (temporary) for an inbox. There is a limit of 2,000 series for
// each metric, in case it is forgotten.
func WithDestination(name func(subject string) string) Option {
	return optionFunc(func(c *config) { c.destination = name })
}

// WithConsumerGroup sets messaging.consumer.group.name: the queue group or the
// durable consumer on whose behalf messages are processed. Otherwise spans have
// what the message tells of it, and metrics do without, because the consumers
// that have no name are given a new one each time.
func WithConsumerGroup(name string) Option {
	return optionFunc(func(c *config) { c.group = name })
}

// WithProducerAsParent makes the span of processing a child of the one that
// published, and so part of its trace. It has the link all the same.
func WithProducerAsParent() Option {
	return optionFunc(func(c *config) { c.child = true })
}

// WithAckWait tells how long the consumer's AckWait is, so that deliveries that
// are settled too late, when the server has given up on them and delivers the
// message again, have the outcome timeout. InProgress begins it anew. The time
// that a message has waited in the client before Process counts for the server
// but is not known here.
func WithAckWait(wait time.Duration) Option {
	return optionFunc(func(c *config) { c.ackWait = wait })
}
