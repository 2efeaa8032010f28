package platform

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/propagation"
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
	message := nats.NewMsg(m.Subject)
	message.Data = m.Payload
	message.Header.Set(jetstream.MsgIDHeader, m.ID)
	if err := b.publisher.Publish(ctx, message, b.store); err != nil {
		return fmt.Errorf("publish %s: %w", m.Subject, err)
	}
	return nil
}

// store returns once a stream has the message.
func (b *Bus) store(ctx context.Context, message *nats.Msg) error {
	_, err := b.js.PublishMsg(ctx, message)
	return err
}
