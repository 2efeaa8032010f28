package inventory

import (
	"context"
	"log/slog"
	"time"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// Delivery brings goods to the shelves, once in every interval however many
// instances of the service there are: time is divided into turns of that
// length, whichever instance comes first in one has the delivery, and the
// database remembers it. Their clocks may differ by less than an interval.
type Delivery struct {
	store  *Store
	every  time.Duration
	logger *slog.Logger
}

// NewDelivery returns the deliveries to a store's shelves; Run makes them.
func NewDelivery(store *Store, every time.Duration, logger *slog.Logger) *Delivery {
	return &Delivery{store: store, every: every, logger: logger}
}

// Run tries to have the delivery of each turn as it begins, until the context
// ends.
func (d *Delivery) Run(ctx context.Context) {
	timer := time.NewTimer(d.untilNext(time.Now()))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if _, err := d.arrive(ctx, time.Now()); err != nil && ctx.Err() == nil {
			d.logger.Error("restock failed", "error", err)
		}
		timer.Reset(d.untilNext(time.Now()))
	}
}

// turn is the one in which that moment is.
func (d *Delivery) turn(now time.Time) int64 { return now.UnixNano() / int64(d.every) }

// untilNext is how long it is until the next turn begins.
func (d *Delivery) untilNext(now time.Time) time.Duration {
	return time.Duration((d.turn(now)+1)*int64(d.every) - now.UnixNano())
}

// arrive lets a delivery arrive unless there was one in this turn, and says
// whether it did.
func (d *Delivery) arrive(ctx context.Context, now time.Time) (arrived bool, err error) {
	err = d.store.inTx(ctx, func(tx *platform.Conn) error {
		n, err := tx.Exec(ctx, "UPDATE deliveries SET turn = ? WHERE turn < ?", d.turn(now), d.turn(now))
		if arrived = n == 1 && err == nil; !arrived {
			return err
		}
		return d.store.restock(ctx, tx, now)
	})
	return arrived && err == nil, err
}

// restock lets a tenth of each shelf's capacity arrive, up to the capacity.
func (s *Store) restock(ctx context.Context, tx *platform.Conn, now time.Time) error {
	items, err := levels(ctx, tx, `UPDATE items SET available = available + arrives.quantity, delivered = delivered + arrives.quantity
		FROM (SELECT id, CASE WHEN available + (capacity + 9) / 10 > capacity THEN capacity - available
			ELSE (capacity + 9) / 10 END AS quantity FROM items) AS arrives
		WHERE items.id = arrives.id AND available < capacity RETURNING items.id, available`)
	if err != nil {
		return err
	}
	return s.tell(ctx, tx, UpdatedData{Cause: causeDelivered, Items: items}, now)
}
