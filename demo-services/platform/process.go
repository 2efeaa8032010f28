package platform

import (
	"context"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// startProcess starts the span of handling one message: a child of the span
// that published it, so that the order's trace shows what came later, and
// linked to it as the messaging conventions ask.
func (b *Bus) startProcess(ctx context.Context, message jetstream.Msg) (context.Context, func(error)) {
	ctx = b.telemetry.Propagator().Extract(ctx, propagation.HeaderCarrier(message.Headers()))
	ctx, span := b.tracer.Start(ctx, "process "+message.Subject(),
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithLinks(trace.LinkFromContext(ctx)),
		trace.WithAttributes(
			attribute.String("messaging.system", "nats"),
			attribute.String("messaging.operation.name", "process"),
			attribute.String("messaging.operation.type", "process"),
			attribute.String("messaging.destination.name", message.Subject()),
			attribute.String("messaging.message.id", message.Headers().Get(jetstream.MsgIDHeader)),
		))
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

// headerText makes text fit into one header line.
func headerText(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, text)
}
