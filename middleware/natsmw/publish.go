package natsmw

import (
	"context"
	"maps"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// Publish has a message sent, and observes it. send is given a copy of the
// message whose headers carry the trace, and a context with the span; the
// message itself stays as it is, so that it may be sent again. Publish returns
// what send does; whatever send waits for, an acknowledgement or an answer, is
// part of the span and of the measured time.
func (m *Messenger) Publish(ctx context.Context, msg *nats.Msg, send func(context.Context, *nats.Msg) error) error {
	o := &operation{caller: ctx, started: time.Now(), series: series{destination: m.to(msg.Subject)}, metric: m.published}
	attributes := o.series.destination.appendTo([]attribute.KeyValue{
		semconv.MessagingSystem.String(system),
		semconv.MessagingOperationName.String("publish"),
		semconv.MessagingOperationType.String("send"),
	}, msg.Subject)
	ctx, o.span = m.tracer.Start(ctx, "publish "+o.series.destination.String(),
		trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attributes...))
	if o.span.IsRecording() {
		o.span.SetAttributes(describe(msg.Header, msg.Data)...)
	}
	out := &nats.Msg{Subject: msg.Subject, Reply: msg.Reply, Header: maps.Clone(msg.Header), Data: msg.Data}
	if out.Header == nil {
		out.Header = nats.Header{}
	}
	m.propagator.Inject(ctx, header(out.Header))
	return o.run(func() error { return send(ctx, out) })
}

// describe is what a span tells of the message itself; the size is in bytes.
func describe(header nats.Header, data []byte) []attribute.KeyValue {
	attributes := []attribute.KeyValue{semconv.MessagingMessageBodySize.Int(len(data))}
	if id := header.Get(jetstream.MsgIDHeader); id != "" {
		attributes = append(attributes, semconv.MessagingMessageID.String(id))
	}
	return attributes
}
