// Package natsmw observes messages over NATS, core and JetStream: publishing
// makes a span and puts the trace into the message, processing makes a span
// that links to it, after OpenTelemetry's conventions.
//
// Spans are named publish and process, followed by the destination. Processing
// begins a trace of its own, or belongs to that of the context, and links to
// the span that published: who publishes does not wait, and one batch may
// answer many. WithProducerAsParent makes it a part of the publisher's trace.
// Each delivery of a message has its own span, which counts it in
// messaging.nats.message.delivery_count.
//
// The metrics are messaging.client.operation.duration for publishing and
// messaging.process.duration. Their labels are the destination, the consumer
// group if one was named, and error.type: what the error's method
// ErrorType() string says, otherwise timeout, canceled, no_responders,
// disconnected, the number of JetStream's error as in jetstream_10077, panic,
// goexit or _OTHER. What the caller's own context has cancelled is no error.
//
// What becomes of a message of JetStream, when its handler settles it, is the
// attribute messaging.nats.message.outcome and the label outcome of
// waybill_messaging_outcomes_total: ack, nak, term, timeout, or none. What
// the server is told other than that, and in vain, is an event of the span.
//
// NATS compares the names of headers by case, and publishers write traceparent
// as well as Traceparent. Here all spellings are read as one, and lower case is
// written.
package natsmw

import (
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// scopeName is the instrumentation scope of the spans.
const scopeName = "github.com/waybill-dev/waybill/middleware/natsmw"

// system is what the conventions' attribute says of NATS.
const system = "nats"

// Messenger observes what a service publishes and processes. It is safe for
// concurrent use. A service with several consumers has one for each, with its
// name in WithConsumerGroup.
type Messenger struct {
	config
	tracer             trace.Tracer
	propagator         propagation.TextMapPropagator
	published, handled *instrument.Duration[series]
	outcomes           *instrument.Counter[settled]
}

// series identifies one series of a metric.
type series struct {
	destination destination
	group       string
	errorType   string
}

// New makes a Messenger. It fails if the metrics can't be registered.
func New(options ...Option) (*Messenger, error) {
	m := &Messenger{config: config{source: instrument.Globals{}, destination: subject}}
	for _, option := range options {
		option.apply(&m.config)
	}
	m.tracer = m.source.TracerProvider().Tracer(scopeName, trace.WithSchemaURL(semconv.SchemaURL))
	m.propagator = m.source.Propagator()
	var err error
	if m.published, err = m.newDuration(semconv.MessagingClientDuration, "publish"); err != nil {
		return nil, err
	}
	if m.handled, err = m.newDuration(semconv.MessagingProcessDuration, "process"); err != nil {
		return nil, err
	}
	m.outcomes, err = m.newOutcomes()
	return m, err
}

func (m *Messenger) newDuration(metric semconv.Metric, operation string) (*instrument.Duration[series], error) {
	labels := func(s series) []string {
		return []string{system, operation, s.destination.name, s.destination.template, s.group, s.errorType}
	}
	return instrument.NewDuration(m.source, metric, labels,
		semconv.MessagingSystem, semconv.MessagingOperationName, semconv.MessagingDestinationName,
		semconv.MessagingDestinationTemplate, semconv.MessagingConsumerGroup, semconv.ErrorType)
}
