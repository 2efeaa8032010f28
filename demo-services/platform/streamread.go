package platform

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ReadStream hands each the messages that a stream of the server at url has now,
// the oldest first; they need not be events. Complete says that the stream has
// dropped none so far, as it does with what is old or too much. A stream that is
// not there is complete.
func ReadStream(ctx context.Context, url, name string, each func(subject string, payload []byte)) (complete bool, err error) {
	conn, err := nats.Connect(url, nats.Timeout(5*time.Second))
	if err != nil {
		return false, fmt.Errorf("connect to bus %s: %w", url, err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return false, fmt.Errorf("open JetStream: %w", err)
	}
	stream, err := js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("find stream %s: %w", name, err)
	}
	state := stream.CachedInfo().State
	if state.Msgs == 0 {
		return state.LastSeq == 0, nil
	}
	if err := readUpTo(ctx, stream, state.LastSeq, each); err != nil {
		return false, fmt.Errorf("read stream %s: %w", name, err)
	}
	return state.FirstSeq == 1 && state.NumDeleted == 0, nil
}

// readUpTo hands out the messages of a stream that has one with the number.
func readUpTo(ctx context.Context, stream jetstream.Stream, last uint64, each func(string, []byte)) error {
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		message, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		metadata, err := message.Metadata()
		if err != nil {
			return err
		}
		each(message.Subject(), message.Data())
		if metadata.Sequence.Stream >= last {
			return nil
		}
	}
}
