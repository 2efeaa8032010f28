package platform

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/waybill-dev/waybill/middleware/natsmw"
)

// processor makes what has one message handled and tells the server what
// became of it. Its span is a child of the one that published the message, so
// that the order's trace shows what came later.
func (b *Bus) processor(c Consumer, handle Handler) (func(context.Context, jetstream.Msg), error) {
	messenger, err := natsmw.New(natsmw.WithTelemetry(b.telemetry), natsmw.WithConsumerGroup(c.Durable), natsmw.WithProducerAsParent())
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, message jetstream.Msg) {
		// A deadline, so that a message is not delivered again while it is handled.
		ctx, cancel := context.WithTimeout(ctx, c.AckWait-time.Second)
		defer cancel()
		// The error is on the span, and settle has answered to it.
		_ = messenger.Process(ctx, message, func(ctx context.Context, message jetstream.Msg) error {
			err := handleMessage(ctx, message, handle)
			b.settle(ctx, c, message, err)
			return err
		})
	}, nil
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
