package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/demo-services/pause"
	"github.com/waybill-dev/waybill/middleware"
	"github.com/waybill-dev/waybill/middleware/natsmw"
)

// Streams of the shop: one for each service that publishes, and one for what
// consumers have given up on.
const (
	StreamUsers       = "USERS"
	StreamOrders      = "ORDERS"
	StreamPayments    = "PAYMENTS"
	StreamInventory   = "INVENTORY"
	StreamDeadLetters = "DEAD_LETTERS"
	// A message that a consumer gave up on goes to this prefix, the durable's
	// name, a dot and its first subject.
	deadLetterPrefix = "deadletters."
)

// Bus is a connection to NATS JetStream. Safe for concurrent use.
type Bus struct {
	conn      *nats.Conn
	js        jetstream.JetStream
	telemetry *middleware.Telemetry
	publisher *natsmw.Messenger
	buried    *prometheus.CounterVec
	logger    *slog.Logger
}

// ConnectBus prepares a connection to the server at url; it does not wait for
// the server, and reconnects for ever. Shutdown closes it. A host has one bus.
func (h *Host) ConnectBus(url string) (*Bus, error) {
	conn, err := nats.Connect(url,
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(500*time.Millisecond),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				h.logger.Warn("bus is disconnected", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { h.logger.Info("bus is connected again") }),
	)
	if err != nil {
		return nil, fmt.Errorf("connect to bus %s: %w", url, err)
	}
	h.OnClose(func() error { conn.Close(); return nil })
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	publisher, err := natsmw.New(natsmw.WithTelemetry(h.telemetry))
	if err != nil {
		return nil, err
	}
	buried := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "shop_dead_letters_total", Help: "Events that a consumer has given up on.",
	}, []string{"consumer", "subject"})
	if err := h.telemetry.Registerer().Register(buried); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return &Bus{conn: conn, js: js, telemetry: h.telemetry, publisher: publisher, buried: buried, logger: h.logger}, nil
}

// EnsureStreams makes the shop's streams if they are missing, and tries until
// the server is there or the context ends. Any service may be the first.
func (b *Bus) EnsureStreams(ctx context.Context) error {
	streams := []jetstream.StreamConfig{
		eventStream(StreamUsers, "users.*", 16<<20),
		eventStream(StreamOrders, "orders.*", 64<<20),
		eventStream(StreamPayments, "payments.*", 32<<20),
		eventStream(StreamInventory, "inventory.*", 32<<20),
		{Name: StreamDeadLetters, Subjects: []string{deadLetterPrefix + ">"}, MaxAge: 7 * 24 * time.Hour, MaxBytes: 16 << 20},
	}
	for _, config := range streams {
		if err := untilDone(ctx, func(ctx context.Context) error {
			_, err := b.js.CreateOrUpdateStream(ctx, config)
			return err
		}); err != nil {
			return fmt.Errorf("create stream %s: %w", config.Name, err)
		}
	}
	return nil
}

// eventStream keeps one service's events for a day, and at most so many bytes.
func eventStream(name, subjects string, maxBytes int64) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:     name,
		Subjects: []string{subjects},
		MaxAge:   24 * time.Hour,
		MaxBytes: maxBytes,
		// A publisher that repeats an event within this time is answered
		// that the event is stored already.
		Duplicates: 5 * time.Minute,
	}
}

// untilDone repeats a request to the server until it succeeds or the context
// ends. The server's own refusals are final; silence and no connection are not.
func untilDone(ctx context.Context, request func(context.Context) error) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := request(attempt)
		cancel()
		var refusal *jetstream.APIError
		if err == nil || errors.As(err, &refusal) && refusal.Code < 500 {
			return err
		}
		if ended := pause.For(ctx, 300*time.Millisecond); ended != nil {
			return errors.Join(ended, err)
		}
	}
}
