package order

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// event is one fact in its place in the event store.
type event struct {
	position int64
	orderID  string
	version  int64
	fact     Fact
	at       time.Time
	// traceparent is where it was written, or empty.
	traceparent string
}

// apply makes the order what it is after the event.
func (e event) apply(o *Order) {
	if e.version == 1 {
		o.CreatedAt = e.at
	}
	e.fact.apply(o)
	o.ID, o.Version, o.UpdatedAt, o.Traceparent = e.orderID, e.version, e.at, e.traceparent
}

// appendFact adds what has happened to the order as it is in o, and returns
// the order as it is then. It returns ErrMoved if something else has happened
// to the order since.
func appendFact(ctx context.Context, tx *platform.Conn, o Order, fact Fact, now time.Time) (Order, error) {
	data, err := json.Marshal(fact)
	if err != nil {
		return o, fmt.Errorf("encode event %s: %w", fact.kind(), err)
	}
	// Whoever reads on from a position must not find one below it later.
	if err := tx.LockAppends(ctx, "events"); err != nil {
		return o, err
	}
	e := event{orderID: o.ID, version: o.Version + 1, fact: fact, at: now, traceparent: platform.Traceparent(ctx)}
	n, err := tx.Exec(ctx, `INSERT INTO events (order_id, version, type, data, at, traceparent) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (order_id, version) DO NOTHING`, e.orderID, e.version, fact.kind(), string(data), now.UnixMilli(), e.traceparent)
	if err != nil {
		return o, err
	}
	if n == 0 {
		return o, fmt.Errorf("%w: %s has a version %d", ErrMoved, o.ID, e.version)
	}
	e.apply(&o)
	return o, nil
}

// rebuild makes the order of its events, or returns ErrUnknown if it has none.
func rebuild(ctx context.Context, on *platform.Conn, id string) (Order, error) {
	var o Order
	err := eachEvent(ctx, on, func(e event) { e.apply(&o) }, "WHERE order_id = ? ORDER BY version", id)
	if err == nil && o.Version == 0 {
		err = ErrUnknown
	}
	return o, err
}

// eachEvent reads the events that the rest of the statement selects.
func eachEvent(ctx context.Context, on *platform.Conn, each func(event), rest string, args ...any) error {
	return on.Query(ctx, func(scan platform.Scan) error {
		var e event
		var kind, data string
		var at int64
		err := scan(&e.position, &e.orderID, &e.version, &kind, &data, &at, &e.traceparent)
		if err != nil {
			return err
		}
		e.at = time.UnixMilli(at).UTC()
		if e.fact, err = decodeFact(kind, data); err != nil {
			return fmt.Errorf("order %s, version %d: %w", e.orderID, e.version, err)
		}
		each(e)
		return nil
	}, "SELECT position, order_id, version, type, data, at, traceparent FROM events "+rest, args...)
}
