package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/waybill-dev/waybill/demo-services/pause"
)

// ErrPoison marks a message that no repetition will make any better: it goes
// to the dead letters at once.
var ErrPoison = errors.New("message can't be handled")

// Handler handles one event. An error that is not ErrPoison has the event
// delivered again, later. It must be idempotent by the event's id.
type Handler func(ctx context.Context, e Event) error

// Consumer is a durable subscription to events of one stream.
type Consumer struct {
	Stream string
	// Subjects are what it wants of the stream.
	Subjects []string
	// Durable is its name: it goes on where it stopped, whatever process it is in.
	Durable string
	// AckWait is how long one event may take before it is delivered again.
	AckWait time.Duration
	// Backoff is how long to wait before each further delivery. After as many
	// the event goes to the dead letters.
	Backoff []time.Duration
	// Parallel is how many events may be under way at once.
	Parallel int
	// Grace is how long events that are under way may go on once Consume is
	// to return.
	Grace time.Duration
}

// DefaultConsumer wants the subjects of the stream, and is patient for about
// half a minute.
func DefaultConsumer(durable, stream string, subjects ...string) Consumer {
	return Consumer{
		Stream:   stream,
		Subjects: subjects,
		Durable:  durable,
		AckWait:  10 * time.Second,
		Backoff:  []time.Duration{500 * time.Millisecond, 2 * time.Second, 5 * time.Second, 15 * time.Second},
		Parallel: 16,
		Grace:    time.Second,
	}
}

// Consume hands events to the handler, several at once, until the context
// ends, and returns when the last of them has been handled. It waits for the
// bus, and subscribes again when the subscription breaks. What is not handled
// is delivered again, here or after a restart. An error other than the
// context's is a refusal of the server's, and final.
func (b *Bus) Consume(ctx context.Context, c Consumer, handle Handler) error {
	process, err := b.processor(c, handle)
	if err != nil {
		return err
	}
	for {
		consumer, err := b.ensureConsumer(ctx, c)
		if err != nil {
			return err
		}
		err = b.work(ctx, c, consumer, process)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b.logger.Warn("subscription broke and is made again", "durable", c.Durable, "error", err)
		if err := pause.For(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
}

// ensureConsumer makes the durable consumer, and what it needs, unless the
// server has it.
func (b *Bus) ensureConsumer(ctx context.Context, c Consumer) (consumer jetstream.Consumer, err error) {
	if err := b.EnsureStreams(ctx); err != nil {
		return nil, err
	}
	if err := untilDone(ctx, func(ctx context.Context) (err error) {
		consumer, err = b.js.CreateOrUpdateConsumer(ctx, c.Stream, jetstream.ConsumerConfig{
			Durable:        c.Durable,
			FilterSubjects: c.Subjects,
			AckPolicy:      jetstream.AckExplicitPolicy,
			AckWait:        c.AckWait,
			MaxAckPending:  4 * c.Parallel,
		})
		return err
	}); err != nil {
		return nil, fmt.Errorf("create consumer %s: %w", c.Durable, err)
	}
	return consumer, nil
}

// work hands out messages until the context ends or the subscription breaks.
// Handlers that run then have the grace to end well.
func (b *Bus) work(ctx context.Context, c Consumer, consumer jetstream.Consumer, process func(context.Context, jetstream.Msg)) error {
	messages, err := consumer.Messages(jetstream.PullMaxMessages(2 * c.Parallel))
	if err != nil {
		return fmt.Errorf("consume as %s: %w", c.Durable, err)
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	handling, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	running := make(chan struct{}, c.Parallel)
	defer func() {
		defer time.AfterFunc(c.Grace, cancel).Stop()
		for range c.Parallel { // Taking every place means that all have returned.
			running <- struct{}{}
		}
	}()
	for {
		message, err := messages.Next()
		if err != nil {
			return err
		}
		select {
		case running <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		go func() {
			defer func() { <-running }()
			process(handling, message)
		}()
	}
}

func handleMessage(ctx context.Context, message jetstream.Msg, handle Handler) error {
	var e Event
	if err := json.Unmarshal(message.Data(), &e); err != nil {
		return errors.Join(ErrPoison, fmt.Errorf("decode event: %w", err))
	}
	if e.ID == "" || e.Type == "" {
		return errors.Join(ErrPoison, errors.New("event has no id or no type"))
	}
	return handle(ctx, e)
}

// settle acknowledges a message, has it delivered again, or parks it with the
// dead letters. If the server does not hear of it, it delivers it again.
func (b *Bus) settle(ctx context.Context, c Consumer, message jetstream.Msg, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	delivered := uint64(1)
	if metadata, err := message.Metadata(); err == nil {
		delivered = metadata.NumDelivered
	}
	var failed error
	switch {
	case err == nil:
		failed = message.DoubleAck(ctx)
	case errors.Is(err, ErrPoison) || delivered > uint64(len(c.Backoff)):
		failed = b.bury(ctx, c, message, err, delivered)
	default:
		wait := c.Backoff[delivered-1]
		b.logger.WarnContext(ctx, "event is delivered again", "subject", message.Subject(), "delivery", delivered,
			"retry_in", wait.String(), "error", err)
		failed = message.NakWithDelay(wait)
	}
	if failed != nil {
		b.logger.WarnContext(ctx, "event is not settled and comes again", "subject", message.Subject(), "error", failed)
	}
}

// bury puts a message with the dead letters, with what it was and why, and
// ends its delivery once it is safe there.
func (b *Bus) bury(ctx context.Context, c Consumer, message jetstream.Msg, why error, delivered uint64) error {
	b.logger.ErrorContext(ctx, "event goes to the dead letters", "subject", message.Subject(), "delivery", delivered, "error", why)
	letter := nats.NewMsg(deadLetterPrefix + c.Durable + "." + message.Subject())
	letter.Data = message.Data()
	maps.Copy(letter.Header, message.Headers())
	letter.Header.Set(headerReason, headerText(why.Error()))
	letter.Header.Set(headerConsumer, c.Durable)
	letter.Header.Set(headerSubject, message.Subject())
	letter.Header.Del(jetstream.MsgIDHeader)
	if err := b.publisher.Publish(ctx, letter, b.store); err != nil {
		return fmt.Errorf("publish dead letter: %w", err)
	}
	b.buried.WithLabelValues(c.Durable, message.Subject()).Inc()
	return message.TermWithReason("dead letter")
}
