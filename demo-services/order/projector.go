package order

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// projectInterval is how often the projector looks for events that nobody told
// it of: after a crash, or when it has failed.
const projectInterval = time.Second

// projectBatch is how many events go into the read model in one transaction.
// Commands wait for it meanwhile.
const projectBatch = 256

// Projector brings what has happened into the read model, in the order in
// which it has happened, and notes how far it has come in the same transaction.
// Safe for concurrent use.
type Projector struct {
	db     *platform.DB
	logger *slog.Logger
	wake   chan struct{}
}

// NewProjector returns a projector in an opened database; Run does its work.
func NewProjector(db *platform.DB, logger *slog.Logger) *Projector {
	return &Projector{db: db, logger: logger, wake: make(chan struct{}, 1)}
}

// Wake says that there are new events. It never blocks.
func (p *Projector) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run works until the context ends. What has then not been brought into the
// read model is after the next start.
func (p *Projector) Run(ctx context.Context) {
	ticker := time.NewTicker(projectInterval)
	defer ticker.Stop()
	failing := false
	for {
		err := p.CatchUp(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			p.logger.Error("read model falls behind", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-p.wake:
		}
	}
}

// CatchUp returns when all events that there are are in the read model.
func (p *Projector) CatchUp(ctx context.Context) error {
	for {
		n, err := p.project(ctx)
		if err != nil || n < projectBatch {
			return err
		}
	}
}

// Rebuild throws the read model away and makes it again. Orders go on, and
// queries see it grow. It returns how many orders are in it then.
func (p *Projector) Rebuild(ctx context.Context) (orders int64, err error) {
	if err := p.db.InTx(ctx, func(tx *platform.Conn) error {
		if _, err := tx.Exec(ctx, "DELETE FROM order_views"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE projection SET position = 0")
		return err
	}); err != nil {
		return 0, err
	}
	if err := p.CatchUp(ctx); err != nil {
		return 0, err
	}
	err = p.db.QueryRow(ctx, []any{&orders}, "SELECT count(*) FROM order_views")
	return orders, err
}

// project brings one batch of events into the read model, and returns how many
// they were.
func (p *Projector) project(ctx context.Context) (n int, err error) {
	err = p.db.InTx(ctx, func(tx *platform.Conn) error {
		var position int64
		if err := tx.QueryRow(ctx, []any{&position}, "SELECT position FROM projection"); err != nil {
			return err
		}
		var events []event
		if err := eachEvent(ctx, tx, func(e event) { events = append(events, e) },
			"WHERE position > ? ORDER BY position LIMIT ?", position, projectBatch); err != nil {
			return err
		}
		if n = len(events); n == 0 {
			return nil
		}
		if err := applyAll(ctx, tx, events); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE projection SET position = ?", events[n-1].position)
		return err
	})
	return n, err
}

// applyAll changes the views of the orders that the events tell of, each once.
func applyAll(ctx context.Context, tx *platform.Conn, events []event) error {
	views := map[string]*Order{}
	for _, e := range events {
		view := views[e.orderID]
		if view == nil {
			stored, err := findView(ctx, tx, e.orderID)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			view = &stored
			views[e.orderID] = view
		}
		e.apply(view)
	}
	for _, view := range views {
		if err := storeView(ctx, tx, *view); err != nil {
			return err
		}
	}
	return nil
}
