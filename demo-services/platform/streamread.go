package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ReadStream hands each the events that a stream of the server at url has now,
// the oldest first; messages that are no events are passed over. Complete says
// that the stream has dropped none so far, as it does with what is old or too
// much. A stream that is not there is complete.
func ReadStream(ctx context.Context, url, name string, each func(subject string, e Event)) (complete bool, err error) {
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

// readUpTo hands out the events of a stream that has a message with the number.
func readUpTo(ctx context.Context, stream jetstream.Stream, last uint64, each func(string, Event)) error {
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
		var e Event
		if json.Unmarshal(message.Data(), &e) == nil && e.ID != "" {
			each(message.Subject(), e)
		}
		if metadata.Sequence.Stream >= last {
			return nil
		}
	}
}
