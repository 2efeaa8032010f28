package platform

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.opentelemetry.io/otel/propagation"
)

const (
	// relayInterval is how often the outbox is looked at when nobody says that
	// there is something in it: after a crash, or while the bus is down.
	relayInterval = time.Second
	// relayBatch is how many events are claimed at once, and claimTime for how
	// long: much longer than publishing them takes. What an instance has claimed
	// that was killed is published by another one afterwards.
	relayBatch = 64
	claimTime  = 5 * time.Second
)

// Outbox keeps a service's events until the bus has them. An event is added in
// the transaction of what it tells of, so that none is lost and none invented,
// and published in the order in which it was added, at least once; the bus
// drops what it has seen. Instances that share the database share the work; the
// order is then that of each instance. On PostgreSQL, of events whose
// transactions overlap either may come first. Safe for concurrent use.
//
// It is the table outbox of the service's own database, here as in SQLite:
//
//	CREATE TABLE outbox (
//	    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
//	    event_id   TEXT NOT NULL UNIQUE,
//	    subject    TEXT NOT NULL,
//	    payload    BLOB NOT NULL,
//	    headers    TEXT NOT NULL,
//	    created_at INTEGER NOT NULL,
//	    -- Until when an instance of the service publishes it, so that no other does.
//	    claimed_until INTEGER NOT NULL DEFAULT 0
//	) STRICT;
type Outbox struct {
	db         *DB
	propagator propagation.TextMapPropagator
	now        func() time.Time
	wake       chan struct{}
}

// NewOutbox returns the outbox of an opened database; nobody publishes from it
// until Run does. Trace context travels with the events as the propagator writes it.
func NewOutbox(db *DB, propagator propagation.TextMapPropagator) *Outbox {
	return &Outbox{db: db, propagator: propagator, now: time.Now, wake: make(chan struct{}, 1)}
}

// OutboxBus is what an outbox needs of the bus.
type OutboxBus interface {
	publisher
	EnsureStreams(ctx context.Context) error
}

// RunOutbox returns the outbox of the service's database and publishes from it
// in the background, and has it counted. It does not wait for the bus.
func (h *Host) RunOutbox(db *DB, bus OutboxBus) (*Outbox, error) {
	outbox := NewOutbox(db, h.telemetry.Propagator())
	if err := h.telemetry.Registerer().Register(outboxLag{outbox}); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	h.Go(func(ctx context.Context) {
		if err := bus.EnsureStreams(ctx); err != nil && ctx.Err() == nil {
			h.logger.Error("the bus refuses the shop's streams", "error", err)
		}
		outbox.Run(ctx, bus, h.logger)
	})
	return outbox, nil
}

// Add puts an event into the outbox as part of the transaction; Wake after its
// commit has it published at once. What publishing and handling it records is
// below the span of the row that is written here.
func (o *Outbox) Add(ctx context.Context, tx *Conn, e Event) error {
	subject, err := SubjectOf(e.Type)
	if err != nil {
		return err
	}
	payload, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", e.Type, err)
	}
	if _, err := tx.Exec(ctx, "INSERT INTO outbox (event_id, subject, payload, headers, created_at) VALUES (?, ?, ?, ?, ?)",
		e.ID, subject, payload, late(o.headers), o.now().UnixMilli()); err != nil {
		return fmt.Errorf("add event %s: %w", e.Type, err)
	}
	return nil
}

// headers tell whoever handles the event where it comes from, as JSON.
func (o *Outbox) headers(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	o.propagator.Inject(ctx, carrier)
	encoded, err := json.Marshal(carrier)
	if err != nil {
		panic("BUG: texts can't be encoded: " + err.Error())
	}
	return string(encoded)
}

// Wake says that there is something in the outbox. It never blocks.
func (o *Outbox) Wake() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// publisher puts one message on the bus and returns once the bus has it safe.
// Repeating a message is harmless.
type publisher interface {
	Publish(ctx context.Context, m Message) error
}

// Run publishes until the context ends. What is then in the outbox is published
// after the next start.
func (o *Outbox) Run(ctx context.Context, bus publisher, logger *slog.Logger) {
	ticker := time.NewTicker(relayInterval)
	defer ticker.Stop()
	failing := false
	for {
		err := o.drain(ctx, bus)
		if err != nil && !failing && ctx.Err() == nil {
			logger.Warn("outbox waits for the bus", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-o.wake:
		}
	}
}

// drain publishes until the outbox is empty or something fails.
func (o *Outbox) drain(ctx context.Context, bus publisher) error {
	for {
		claimed, until, err := o.claim(ctx)
		if err != nil || len(claimed) == 0 {
			return err
		}
		for i, c := range claimed {
			err := bus.Publish(ctx, c.message)
			if err == nil {
				_, err = o.db.Exec(ctx, "DELETE FROM outbox WHERE seq = ?", c.seq)
			}
			if err != nil {
				return errors.Join(err, o.release(ctx, claimed[i:], until))
			}
		}
	}
}

// outgoing is one row of the outbox.
type outgoing struct {
	seq     int64
	message Message
}

// claim takes the oldest events that nobody publishes, in order, and says until
// when nobody else does.
func (o *Outbox) claim(ctx context.Context) (rows []outgoing, until int64, err error) {
	now := o.now()
	until = now.Add(claimTime).UnixMilli()
	err = o.db.InTx(ctx, func(tx *Conn) error {
		rows, err = claim(ctx, tx, now.UnixMilli(), until)
		return err
	})
	slices.SortFunc(rows, func(a, b outgoing) int { return cmp.Compare(a.seq, b.seq) })
	return rows, until, err
}

func claim(ctx context.Context, tx *Conn, now, until int64) (rows []outgoing, err error) {
	err = tx.Query(ctx, func(scan Scan) error {
		var row outgoing
		var headers string
		if err := scan(&row.seq, &row.message.ID, &row.message.Subject, &row.message.Payload, &headers); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(headers), &row.message.Headers); err != nil {
			return fmt.Errorf("decode headers of event %s: %w", row.message.ID, err)
		}
		rows = append(rows, row)
		return nil
	}, `UPDATE outbox SET claimed_until = ?
		WHERE seq IN (SELECT seq FROM outbox WHERE claimed_until <= ? ORDER BY seq LIMIT ?)
		RETURNING seq, event_id, subject, payload, headers`, until, now, relayBatch)
	return rows, err
}

// release lets anybody publish what was claimed, which this instance could not.
// Its context may have ended; what it can't release is free after the claim.
func (o *Outbox) release(ctx context.Context, rows []outgoing, until int64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, err := o.db.Exec(ctx, "UPDATE outbox SET claimed_until = 0 WHERE claimed_until = ? AND seq BETWEEN ? AND ?",
		until, rows[0].seq, rows[len(rows)-1].seq)
	return err
}
