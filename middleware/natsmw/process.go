package natsmw

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// Process has a JetStream message handled, and observes it. handle is given a
// context with the span and the publisher's baggage, and the message; it also
// settles it, if the time for that is to be part of the span, and what becomes
// of the message is to be known. Process returns what handle does.
func (m *Messenger) Process(ctx context.Context, msg jetstream.Msg, handle func(context.Context, jetstream.Msg) error) error {
	ctx, o := m.startProcess(ctx, msg.Subject(), msg.Headers(), m.group)
	metadata, err := msg.Metadata()
	redelivered := err == nil && metadata.NumDelivered > 1
	if o.span.IsRecording() {
		attributes := describe(msg.Headers(), msg.Data())
		group := m.group
		if err == nil {
			attributes = append(attributes, semconv.MessagingDeliveryAttempts.Int64(int64(metadata.NumDelivered)))
			if group == "" {
				group = metadata.Consumer
			}
		}
		o.span.SetAttributes(appendGroup(attributes, group)...)
	}
	d := &delivery{Msg: msg, span: o.span, ackWait: m.ackWait, since: o.started}
	return o.run(func() error {
		defer func() {
			outcome, progress := d.close()
			m.outcomes.Inc(settled{o.series.destination, m.group, outcome, redelivered})
			o.span.SetAttributes(semconv.MessagingOutcome.String(outcome))
			if progress > 0 {
				o.span.SetAttributes(semconv.MessagingProgress.Int(progress))
			}
		}()
		return handle(ctx, d)
	})
}

// ProcessCore is Process for a message of core NATS.
func (m *Messenger) ProcessCore(ctx context.Context, msg *nats.Msg, handle func(context.Context, *nats.Msg) error) error {
	group := m.group
	if group == "" && msg.Sub != nil {
		group = msg.Sub.Queue
	}
	ctx, o := m.startProcess(ctx, msg.Subject, msg.Header, group)
	if o.span.IsRecording() {
		o.span.SetAttributes(appendGroup(describe(msg.Header, msg.Data), group)...)
	}
	return o.run(func() error { return handle(ctx, msg) })
}

func appendGroup(attributes []attribute.KeyValue, group string) []attribute.KeyValue {
	if group == "" {
		return attributes
	}
	return append(attributes, semconv.MessagingConsumerGroup.String(group))
}

// startProcess starts the span. group is a label, so it must be one of few.
func (m *Messenger) startProcess(ctx context.Context, subject string, headers nats.Header, group string) (context.Context, *operation) {
	o := &operation{caller: ctx, started: time.Now(), series: series{destination: m.to(subject), group: group}, metric: m.handled}
	attributes := o.series.destination.appendTo([]attribute.KeyValue{
		semconv.MessagingSystem.String(system),
		semconv.MessagingOperationName.String("process"),
		semconv.MessagingOperationType.String("process"),
	}, subject)
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attributes...)}
	ctx, producer := m.extract(ctx, headers)
	if producer.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: producer}))
	}
	ctx, o.span = m.tracer.Start(ctx, "process "+o.series.destination.String(), options...)
	return ctx, o
}

// extract takes the publisher's span and baggage out of the headers. The
// context gets the baggage, and the span if it is to be the parent.
func (m *Messenger) extract(ctx context.Context, headers nats.Header) (context.Context, trace.SpanContext) {
	around := trace.SpanFromContext(ctx)
	// Else a message without a trace would seem to come from the span around.
	ctx = m.propagator.Extract(trace.ContextWithSpanContext(ctx, trace.SpanContext{}), header(headers))
	producer := trace.SpanContextFromContext(ctx)
	if !m.child || !producer.IsValid() {
		ctx = trace.ContextWithSpan(ctx, around)
	}
	return ctx, producer
}
