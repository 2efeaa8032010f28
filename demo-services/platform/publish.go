package platform

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Message is what goes on the bus.
type Message struct {
	Subject string
	// ID makes a repetition of the message harmless: the stream keeps the first.
	ID string
	// Headers carry the trace context that the message comes from.
	Headers map[string]string
	Payload []byte
}

// Publish returns once the stream has stored the message. Its span is a child
// of the trace context in the message's headers, and the parent of whatever
// the consumers do.
func (b *Bus) Publish(ctx context.Context, m Message) error {
	ctx = b.telemetry.Propagator().Extract(ctx, propagation.MapCarrier(m.Headers))
	ctx, span := b.tracer.Start(ctx, "publish "+m.Subject, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		attribute.String("messaging.system", "nats"),
		attribute.String("messaging.operation.name", "publish"),
		attribute.String("messaging.operation.type", "send"),
		attribute.String("messaging.destination.name", m.Subject),
		attribute.String("messaging.message.id", m.ID),
	))
	defer span.End()
	message := nats.NewMsg(m.Subject)
	message.Data = m.Payload
	b.telemetry.Propagator().Inject(ctx, propagation.HeaderCarrier(message.Header))
	if _, err := b.js.PublishMsg(ctx, message, jetstream.WithMsgID(m.ID)); err != nil {
		span.SetStatus(codes.Error, err.Error())
		return fmt.Errorf("publish %s: %w", m.Subject, err)
	}
	return nil
}
