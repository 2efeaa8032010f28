package natsmw

import "github.com/waybill-dev/waybill/middleware/internal/instrument"

// Telemetry is where spans and metrics go. *middleware.Telemetry is one.
type Telemetry = instrument.Source

// Option changes what New makes.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// WithTelemetry sends spans and metrics there. Otherwise they go to
// OpenTelemetry's global tracer provider and client_golang's default registry.
func WithTelemetry(telemetry Telemetry) Option {
	return optionFunc(func(c *config) { c.source = telemetry })
}

// WithDestination names a subject for spans and metrics, so that subjects with
// ids in them do not each make a series: orders.42.paid may be orders.*.paid.
// Otherwise it is the subject itself, and (temporary) for an inbox.
func WithDestination(name func(subject string) string) Option {
	return optionFunc(func(c *config) { c.destination = name })
}

// WithConsumerGroup sets messaging.consumer.group.name: the queue group or the
// durable consumer on whose behalf messages are processed.
func WithConsumerGroup(name string) Option {
	return optionFunc(func(c *config) { c.group = name })
}

// WithProducerAsParent makes the span of processing a child of the one that
// published, and so part of its trace. It has the link all the same.
func WithProducerAsParent() Option {
	return optionFunc(func(c *config) { c.child = true })
}
