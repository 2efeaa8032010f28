package platform

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Headers that say what a dead letter was, and why it is one.
const (
	headerReason   = "Dead-Letter-Reason"
	headerConsumer = "Dead-Letter-Consumer"
	headerSubject  = "Dead-Letter-Subject"
	headerPrefix   = "Dead-Letter-"
)

// ErrNoLetter says that there is no dead letter with this number.
var ErrNoLetter = errors.New("no such dead letter")

// DeadLetter is a message that a consumer has given up on.
type DeadLetter struct {
	// Seq is its number among the dead letters.
	Seq uint64
	// At is when the consumer gave up.
	At time.Time
	// Consumer is who gave up, and Reason why.
	Consumer, Reason string
	// Subject is where the message was published.
	Subject string
	Headers nats.Header
	Payload []byte
}

// DeadLetters are what consumers have given up on, for a person to look at.
// Safe for concurrent use.
type DeadLetters struct {
	conn *nats.Conn
	js   jetstream.JetStream
}

// OpenDeadLetters connects to the server at url. Close ends the connection.
func OpenDeadLetters(url string) (*DeadLetters, error) {
	conn, err := nats.Connect(url, nats.Timeout(5*time.Second))
	if err != nil {
		return nil, fmt.Errorf("connect to bus %s: %w", url, err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	return &DeadLetters{conn: conn, js: js}, nil
}

// Close ends the connection.
func (d *DeadLetters) Close() { d.conn.Close() }

// List reads at most limit letters, the oldest first, from the number on.
func (d *DeadLetters) List(ctx context.Context, from uint64, limit int) ([]DeadLetter, error) {
	stream, err := d.js.Stream(ctx, StreamDeadLetters)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil // No service has been there yet.
	}
	if err != nil {
		return nil, fmt.Errorf("find the dead letters: %w", err)
	}
	var letters []DeadLetter
	for seq := max(from, 1); len(letters) < limit; {
		// The next one of the subject: numbers that are gone are passed over.
		message, err := stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(deadLetterPrefix+">"))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read dead letter %d: %w", seq, err)
		}
		letters = append(letters, letterOf(message))
		seq = message.Sequence + 1
	}
	return letters, nil
}

// Get reads one letter, or returns ErrNoLetter.
func (d *DeadLetters) Get(ctx context.Context, seq uint64) (DeadLetter, error) {
	letters, err := d.List(ctx, seq, 1)
	if err == nil && (len(letters) == 0 || letters[0].Seq != seq) {
		err = fmt.Errorf("%w: %d", ErrNoLetter, seq)
	}
	if err != nil {
		return DeadLetter{}, err
	}
	return letters[0], nil
}

// Replay publishes the message of a letter again, where it was published first
// and in the same trace, and removes the letter. All consumers of the subject
// get it, and those that have handled it know it by its event's id. A repetition
// after a crash half way is dropped by the stream.
func (d *DeadLetters) Replay(ctx context.Context, seq uint64) error {
	letter, err := d.Get(ctx, seq)
	if err != nil {
		return err
	}
	message := nats.NewMsg(letter.Subject)
	message.Data = letter.Payload
	for name, values := range letter.Headers {
		if !strings.HasPrefix(name, headerPrefix) {
			message.Header[name] = values
		}
	}
	// Its own id: the stream may still know that of the message, and drop it.
	message.Header.Set(jetstream.MsgIDHeader, fmt.Sprintf("dead-letter-%d", seq))
	if _, err := d.js.PublishMsg(ctx, message); err != nil {
		return fmt.Errorf("publish dead letter %d again: %w", seq, err)
	}
	stream, err := d.js.Stream(ctx, StreamDeadLetters)
	if err == nil {
		err = stream.DeleteMsg(ctx, seq)
	}
	if err != nil {
		return fmt.Errorf("remove dead letter %d, which is published again: %w", seq, err)
	}
	return nil
}

func letterOf(message *jetstream.RawStreamMsg) DeadLetter {
	return DeadLetter{
		Seq: message.Sequence, At: message.Time.UTC(), Headers: message.Header, Payload: message.Data,
		Consumer: message.Header.Get(headerConsumer), Reason: message.Header.Get(headerReason), Subject: message.Header.Get(headerSubject),
	}
}
