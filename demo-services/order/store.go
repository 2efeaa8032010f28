package order

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the schema of the service's database.
func Migrations() (fs.FS, error) { return fs.Sub(migrations, "migrations") }

// The store's errors.
var (
	// ErrUnknown says that there is no such order.
	ErrUnknown = errors.New("unknown order")
	// ErrMoved says that the order is no longer at the step that it was
	// expected at: somebody else drives its saga.
	ErrMoved = errors.New("order has moved on")
)

// Store keeps orders and the events that are to be published of them. Each
// method is one transaction, and sets the UpdatedAt of the order it is given to
// when that was. Times are kept to the millisecond. Safe for concurrent use.
type Store struct {
	db  *platform.DB
	now func() time.Time
}

// NewStore returns the store in an opened database.
func NewStore(db *platform.DB) *Store {
	return &Store{db: db, now: func() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }}
}

// Create stores a new order at step Created. Until lease has passed only the
// caller drives its saga.
func (s *Store) Create(ctx context.Context, o *Order, lease time.Duration) error {
	now := s.now()
	o.Step, o.CreatedAt, o.UpdatedAt, o.DueAt = Created, now, now, now.Add(lease)
	headers, err := json.Marshal(o.Headers)
	if err != nil {
		return fmt.Errorf("encode headers: %w", err)
	}
	return s.db.InTx(ctx, func(tx *platform.Conn) error {
		if _, err := tx.Exec(ctx, `INSERT INTO orders
			(id, user_id, email, currency, card_token, expected_amount, step, headers, due_at, created_at, updated_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			o.ID, o.UserID, o.Email, o.Currency, o.CardToken, o.ExpectedAmount, o.Step, string(headers),
			o.DueAt.UnixMilli(), now.UnixMilli(), now.UnixMilli()); err != nil {
			return err
		}
		for i, line := range o.Lines {
			if _, err := tx.Exec(ctx, "INSERT INTO order_lines (order_id, position, item_id, quantity) VALUES (?, ?, ?, ?)",
				o.ID, i, line.ItemID, line.Quantity); err != nil {
				return err
			}
		}
		return nil
	})
}

// Reserved moves an order from Created to Reserved; its lines have their
// prices now.
func (s *Store) Reserved(ctx context.Context, o *Order) error {
	return s.db.InTx(ctx, func(tx *platform.Conn) error {
		if err := s.move(ctx, tx, o, Created, "step = ?, amount = ?", Reserved, o.Amount); err != nil {
			return err
		}
		for i, line := range o.Lines {
			if _, err := tx.Exec(ctx, "UPDATE order_lines SET name = ?, unit_price = ? WHERE order_id = ? AND position = ?",
				line.Name, line.UnitPrice, o.ID, i); err != nil {
				return err
			}
		}
		return nil
	})
}

// Paid moves an order from Reserved to Paid.
func (s *Store) Paid(ctx context.Context, o *Order) error {
	return s.move(ctx, &s.db.Conn, o, Reserved, "step = ?", Paid)
}

// Confirm ends an order that is Paid, and puts the event into the outbox.
func (s *Store) Confirm(ctx context.Context, o *Order, e Outgoing) error {
	return s.end(ctx, o, Paid, Confirmed, e)
}

// Cancelled ends an order that is Cancelling, and puts the event into the outbox.
func (s *Store) Cancelled(ctx context.Context, o *Order, e Outgoing) error {
	return s.end(ctx, o, Cancelling, Cancelled, e)
}

func (s *Store) end(ctx context.Context, o *Order, from, to Step, e Outgoing) error {
	return s.db.InTx(ctx, func(tx *platform.Conn) error {
		if err := s.move(ctx, tx, o, from, "step = ?, card_token = ''", to); err != nil {
			return err
		}
		return addOutgoing(ctx, tx, e, s.now())
	})
}

// Fail moves an order from a step to Cancelling, with why and what to undo as
// they stand in o.
func (s *Store) Fail(ctx context.Context, from Step, o *Order) error {
	details, err := json.Marshal(o.Details)
	if err != nil {
		return fmt.Errorf("encode details: %w", err)
	}
	return s.move(ctx, &s.db.Conn, o, from, "step = ?, reason = ?, details = ?, undo_payment = ?, undo_stock = ?",
		Cancelling, o.Reason, string(details), o.UndoPayment, o.UndoStock)
}

// Undone notes what of a compensation is done, as it stands in o.
func (s *Store) Undone(ctx context.Context, o *Order) error {
	return s.move(ctx, &s.db.Conn, o, Cancelling, "undo_payment = ?, undo_stock = ?", o.UndoPayment, o.UndoStock)
}

// Postpone keeps a saga that has not ended from being taken up before the wait
// is over.
func (s *Store) Postpone(ctx context.Context, id string, wait time.Duration) error {
	_, err := s.db.Exec(ctx, "UPDATE orders SET due_at = ? WHERE id = ?", s.now().Add(wait).UnixMilli(), id)
	return err
}

// move updates an order that is at the step from, or returns ErrMoved.
func (s *Store) move(ctx context.Context, on *platform.Conn, o *Order, from Step, set string, args ...any) error {
	now := s.now()
	args = append(args, now.UnixMilli(), o.ID, from)
	n, err := on.Exec(ctx, "UPDATE orders SET "+set+", updated_at = ? WHERE id = ? AND step = ?", args...)
	switch {
	case err != nil:
		return err
	case n == 0:
		return fmt.Errorf("%w: %s is not %s", ErrMoved, o.ID, from)
	}
	o.UpdatedAt = now
	return nil
}

// Claim takes over one saga that has not ended and is due, for as long as the
// lease; nobody else gets it meanwhile. It returns ErrUnknown when none is due.
func (s *Store) Claim(ctx context.Context, lease time.Duration) (Order, error) {
	now := s.now()
	var id string
	err := s.db.QueryRow(ctx, []any{&id}, `UPDATE orders SET due_at = ?, attempts = attempts + 1 WHERE id = (
		SELECT id FROM orders WHERE step NOT IN ('CONFIRMED', 'CANCELLED') AND due_at <= ? ORDER BY due_at LIMIT 1
	) RETURNING id`, now.Add(lease).UnixMilli(), now.UnixMilli())
	if errors.Is(err, sql.ErrNoRows) {
		return Order{}, ErrUnknown
	}
	if err != nil {
		return Order{}, err
	}
	return s.Find(ctx, id)
}

// Find reads one order, or returns ErrUnknown.
func (s *Store) Find(ctx context.Context, id string) (Order, error) {
	o := Order{ID: id}
	var details, headers string
	var due, created, updated int64
	err := s.db.QueryRow(ctx, []any{
		&o.UserID, &o.Email, &o.Currency, &o.CardToken, &o.ExpectedAmount, &o.Amount, &o.Step, &o.Reason, &details,
		&o.UndoPayment, &o.UndoStock, &headers, &due, &o.Attempts, &created, &updated,
	}, `SELECT user_id, email, currency, card_token, expected_amount, amount, step, reason, details,
		undo_payment, undo_stock, headers, due_at, attempts, created_at, updated_at FROM orders WHERE id = ?`, id)
	if errors.Is(err, sql.ErrNoRows) {
		return Order{}, ErrUnknown
	}
	if err != nil {
		return Order{}, err
	}
	o.DueAt, o.CreatedAt, o.UpdatedAt = time.UnixMilli(due).UTC(), time.UnixMilli(created).UTC(), time.UnixMilli(updated).UTC()
	if err := errors.Join(json.Unmarshal([]byte(details), &o.Details), json.Unmarshal([]byte(headers), &o.Headers)); err != nil {
		return Order{}, fmt.Errorf("decode order %s: %w", id, err)
	}
	o.Lines, err = s.lines(ctx, id)
	return o, err
}

func (s *Store) lines(ctx context.Context, id string) ([]Line, error) {
	var lines []Line
	err := s.db.Query(ctx, func(scan platform.Scan) error {
		var line Line
		err := scan(&line.ItemID, &line.Name, &line.Quantity, &line.UnitPrice)
		lines = append(lines, line)
		return err
	}, "SELECT item_id, name, quantity, unit_price FROM order_lines WHERE order_id = ? ORDER BY position", id)
	return lines, err
}
