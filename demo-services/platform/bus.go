package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Streams and subjects of the shop.
const (
	StreamOrders      = "ORDERS"
	StreamDeadLetters = "DEAD_LETTERS"
	SubjectConfirmed  = "orders.confirmed"
	SubjectCancelled  = "orders.cancelled"
	// A message that a consumer gave up on goes to this prefix, the durable's
	// name, a dot and its first subject.
	deadLetterPrefix = "deadletters."
)

// Bus is a connection to NATS JetStream. Safe for concurrent use.
type Bus struct {
	conn *nats.Conn
	js   jetstream.JetStream
}

// ConnectBus prepares a connection to the server at url; it does not wait for
// the server, and reconnects for ever. The name is what the server shows.
func ConnectBus(url, name string, logger *slog.Logger) (*Bus, error) {
	conn, err := nats.Connect(url,
		nats.Name(name),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(500*time.Millisecond),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				logger.Warn("bus is disconnected", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { logger.Info("bus is connected again") }),
	)
	if err != nil {
		return nil, fmt.Errorf("connect to bus %s: %w", url, err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	return &Bus{conn: conn, js: js}, nil
}

// JetStream is the bus's stream interface, for publishing.
func (b *Bus) JetStream() jetstream.JetStream { return b.js }

// Connected says whether the server is reachable now.
func (b *Bus) Connected() bool { return b.conn.IsConnected() }

// Close ends the connection; what was published and acknowledged is safe.
func (b *Bus) Close() { b.conn.Close() }

// EnsureStreams makes the shop's streams if they are missing, and tries until
// the server is there or the context ends. Any service may be the first.
func (b *Bus) EnsureStreams(ctx context.Context) error {
	streams := []jetstream.StreamConfig{
		{
			Name:     StreamOrders,
			Subjects: []string{"orders.*"},
			MaxAge:   24 * time.Hour,
			MaxBytes: 64 << 20,
			// A publisher that repeats an event within this time is answered
			// that the event is stored already.
			Duplicates: 5 * time.Minute,
		},
		{Name: StreamDeadLetters, Subjects: []string{deadLetterPrefix + ">"}, MaxAge: 7 * 24 * time.Hour, MaxBytes: 16 << 20},
	}
	for _, config := range streams {
		if err := b.ensureStream(ctx, config); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bus) ensureStream(ctx context.Context, config jetstream.StreamConfig) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err := b.js.CreateOrUpdateStream(attempt, config)
		cancel()
		if err == nil {
			return nil
		}
		// The server's own refusals are final; silence and no connection are not.
		var refusal *jetstream.APIError
		if errors.As(err, &refusal) && refusal.Code < 500 {
			return fmt.Errorf("create stream %s: %w", config.Name, err)
		}
		if err := pause(ctx, 300*time.Millisecond); err != nil {
			return fmt.Errorf("create stream %s: %w", config.Name, err)
		}
	}
}

// pause waits, or returns the context's error if it ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
