package order

import (
	"context"
	"log/slog"
	"time"
)

// relayInterval is how often the outbox is looked at when nobody says that
// there is something in it: after a crash, or while the bus is down.
const relayInterval = time.Second

// publisher puts one event on the bus and returns once the bus has it safe.
// Repeating an event is harmless.
type publisher interface {
	Publish(ctx context.Context, e Outgoing) error
}

// Relay takes events from the outbox to the bus, in order, at least once each;
// the bus drops what it has seen.
type Relay struct {
	store  *Store
	bus    publisher
	logger *slog.Logger
	wake   chan struct{}
}

// NewRelay returns a relay; Run does its work.
func NewRelay(store *Store, bus publisher, logger *slog.Logger) *Relay {
	return &Relay{store: store, bus: bus, logger: logger, wake: make(chan struct{}, 1)}
}

// Wake says that there is something in the outbox. It never blocks.
func (r *Relay) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run works until the context ends. What is then in the outbox is published
// after the next start.
func (r *Relay) Run(ctx context.Context) {
	ticker := time.NewTicker(relayInterval)
	defer ticker.Stop()
	failing := false
	for {
		err := r.drain(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			r.logger.Warn("outbox waits for the bus", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-r.wake:
		}
	}
}

// drain publishes until the outbox is empty or something fails.
func (r *Relay) drain(ctx context.Context) error {
	for {
		events, err := r.store.Outgoing(ctx, 64)
		if err != nil || len(events) == 0 {
			return err
		}
		for _, e := range events {
			if err := r.bus.Publish(ctx, e); err != nil {
				return err
			}
			if err := r.store.Published(ctx, e); err != nil {
				return err
			}
		}
	}
}
