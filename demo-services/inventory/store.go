package inventory

import (
	"context"
	"database/sql"
	"embed"
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

// Line is one item of an order. Name and UnitPrice are the store's answer.
type Line struct {
	ItemID    string
	Name      string
	Quantity  int64
	UnitPrice int64
}

// What keeps stock from being reserved.
var (
	ErrUnknownItem = errors.New("unknown item")
	ErrOutOfStock  = errors.New("out of stock")
	// ErrReleased says that the order's release came before its reservation.
	ErrReleased = errors.New("reservation is released")
)

const (
	stateReserved = "RESERVED"
	stateReleased = "RELEASED"
)

// Store keeps the stock. Safe for concurrent use: stock is never oversold,
// because it is taken by a conditional update inside one write transaction.
type Store struct{ db *platform.DB }

// NewStore returns the store in an opened database.
func NewStore(db *platform.DB) *Store { return &Store{db: db} }

// AddItems puts items on the shelf, full; those whose id is taken stay as they are.
func (s *Store) AddItems(ctx context.Context, items []Item) error {
	return s.db.InTx(ctx, func(tx *platform.Conn) error {
		for _, it := range items {
			if _, err := tx.Exec(ctx, "INSERT OR IGNORE INTO items (id, name, price, capacity, available) VALUES (?, ?, ?, ?, ?)",
				it.ID, it.Name, it.Price, it.Capacity, it.Capacity); err != nil {
				return err
			}
		}
		return nil
	})
}

// Reserve takes all lines from the shelf for the order, or none. An order that
// has a reservation gets the same answer again.
func (s *Store) Reserve(ctx context.Context, orderID string, lines []Line, now time.Time) ([]Line, error) {
	var reserved []Line
	err := s.db.InTx(ctx, func(tx *platform.Conn) error {
		state, err := reservationState(ctx, tx, orderID)
		switch {
		case err != nil:
			return err
		case state == stateReleased:
			return ErrReleased
		case state == stateReserved:
			reserved, err = reservedLines(ctx, tx, orderID)
			return err
		}
		reserved, err = reserve(ctx, tx, orderID, lines, now)
		return err
	})
	return reserved, err
}

func reserve(ctx context.Context, tx *platform.Conn, orderID string, lines []Line, now time.Time) ([]Line, error) {
	if _, err := tx.Exec(ctx, "INSERT INTO reservations (order_id, state, created_at) VALUES (?, ?, ?)",
		orderID, stateReserved, now.UnixMilli()); err != nil {
		return nil, err
	}
	reserved := make([]Line, len(lines))
	for i, line := range lines {
		taken, err := take(ctx, tx, line)
		if err != nil {
			return nil, err
		}
		reserved[i] = taken
		if _, err := tx.Exec(ctx, `INSERT INTO reservation_lines (order_id, position, item_id, name, quantity, unit_price)
			VALUES (?, ?, ?, ?, ?, ?)`, orderID, i, taken.ItemID, taken.Name, taken.Quantity, taken.UnitPrice); err != nil {
			return nil, err
		}
	}
	return reserved, nil
}

// take removes one line's quantity from the shelf.
func take(ctx context.Context, tx *platform.Conn, line Line) (Line, error) {
	err := tx.QueryRow(ctx, []any{&line.Name, &line.UnitPrice},
		"UPDATE items SET available = available - ? WHERE id = ? AND available >= ? RETURNING name, price",
		line.Quantity, line.ItemID, line.Quantity)
	if !errors.Is(err, sql.ErrNoRows) {
		return line, err
	}
	var available int64
	err = tx.QueryRow(ctx, []any{&available}, "SELECT available FROM items WHERE id = ?", line.ItemID)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return line, fmt.Errorf("%w: %s", ErrUnknownItem, line.ItemID)
	case err != nil:
		return line, err
	}
	return line, fmt.Errorf("%w: %s: %d wanted, %d left", ErrOutOfStock, line.ItemID, line.Quantity, available)
}

// Release puts the order's stock back. A second release changes nothing; one
// that comes first keeps the order from ever reserving.
func (s *Store) Release(ctx context.Context, orderID string, now time.Time) error {
	return s.db.InTx(ctx, func(tx *platform.Conn) error {
		state, err := reservationState(ctx, tx, orderID)
		switch {
		case err != nil:
			return err
		case state == stateReleased:
			return nil
		case state == "":
			_, err := tx.Exec(ctx, "INSERT INTO reservations (order_id, state, created_at) VALUES (?, ?, ?)",
				orderID, stateReleased, now.UnixMilli())
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE items SET available = available + line.quantity
			FROM (SELECT item_id, sum(quantity) AS quantity FROM reservation_lines WHERE order_id = ? GROUP BY item_id) AS line
			WHERE items.id = line.item_id`, orderID); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE reservations SET state = ? WHERE order_id = ?", stateReleased, orderID)
		return err
	})
}

// Restock lets a tenth of each shelf's capacity arrive, up to the capacity.
func (s *Store) Restock(ctx context.Context) error {
	_, err := s.db.Exec(ctx, "UPDATE items SET available = min(capacity, available + (capacity + 9) / 10) WHERE available < capacity")
	return err
}

// Available says how much of an item is on the shelf.
func (s *Store) Available(ctx context.Context, itemID string) (int64, error) {
	var available int64
	err := s.db.QueryRow(ctx, []any{&available}, "SELECT available FROM items WHERE id = ?", itemID)
	return available, err
}

// reservationState is empty when the order has no reservation.
func reservationState(ctx context.Context, tx *platform.Conn, orderID string) (string, error) {
	var state string
	err := tx.QueryRow(ctx, []any{&state}, "SELECT state FROM reservations WHERE order_id = ?", orderID)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return state, err
}

func reservedLines(ctx context.Context, tx *platform.Conn, orderID string) ([]Line, error) {
	var lines []Line
	err := tx.Query(ctx, func(scan platform.Scan) error {
		var line Line
		err := scan(&line.ItemID, &line.Name, &line.Quantity, &line.UnitPrice)
		lines = append(lines, line)
		return err
	}, "SELECT item_id, name, quantity, unit_price FROM reservation_lines WHERE order_id = ? ORDER BY position", orderID)
	return lines, err
}
