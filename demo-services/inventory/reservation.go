package inventory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// Line is one item of an order. Name and UnitPrice are the store's answer.
type Line struct {
	ItemID    string
	Name      string
	Quantity  int64
	UnitPrice int64
}

// Reservation is what is set aside for an order.
type Reservation struct {
	Lines []Line
	// ExpiresAt is when the stock goes back unless the reservation is confirmed;
	// zero once it is.
	ExpiresAt time.Time
}

// What keeps stock from being reserved, or a reservation from being confirmed.
var (
	ErrUnknownItem = errors.New("unknown item")
	ErrOutOfStock  = errors.New("out of stock")
	// ErrReleased says that the order has no reservation, or that its release
	// came first.
	ErrReleased = errors.New("reservation is released")
	// ErrExpired says that nobody confirmed the reservation in time.
	ErrExpired = errors.New("reservation has expired")
)

// state is what has become of a reservation; empty if there is none.
type state string

const (
	stateReserved  state = "RESERVED"
	stateConfirmed state = "CONFIRMED"
	stateReleased  state = "RELEASED"
	stateExpired   state = "EXPIRED"
)

// Reserve takes all lines from the shelf for the order, or none. An order that
// has a reservation gets the same answer again, and one whose reservation has
// expired a new one.
func (s *Store) Reserve(ctx context.Context, orderID string, lines []Line, now time.Time) (Reservation, error) {
	var r Reservation
	err := s.inTx(ctx, func(tx *platform.Conn) error {
		r = Reservation{}
		state, expires, err := findReservation(ctx, tx, orderID)
		switch {
		case err != nil:
			return err
		case state == stateReleased:
			return ErrReleased
		case state == stateReserved:
			r.ExpiresAt = expires
			fallthrough
		case state == stateConfirmed:
			r.Lines, err = reservedLines(ctx, tx, orderID)
			return err
		}
		r, err = s.reserve(ctx, tx, orderID, lines, now)
		return err
	})
	return r, err
}

// reserve makes the reservation of an order that has none that holds.
func (s *Store) reserve(ctx context.Context, tx *platform.Conn, orderID string, lines []Line, now time.Time) (Reservation, error) {
	r := Reservation{Lines: make([]Line, len(lines)), ExpiresAt: now.Add(s.ttl)}
	if _, err := tx.Exec(ctx, `INSERT INTO reservations (order_id, state, created_at, expires_at, traceparent) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (order_id) DO UPDATE SET state = excluded.state, expires_at = excluded.expires_at, traceparent = excluded.traceparent`,
		orderID, stateReserved, now.UnixMilli(), r.ExpiresAt.UnixMilli(), platform.Traceparent(ctx)); err != nil {
		return r, err
	}
	var items []Level
	for i, line := range lines {
		taken, left, err := take(ctx, tx, line)
		if err != nil {
			return r, err
		}
		r.Lines[i] = taken
		items = append(items, Level{ItemID: taken.ItemID, Available: left})
		if _, err := tx.Exec(ctx, `INSERT INTO reservation_lines (order_id, position, item_id, name, quantity, unit_price)
			VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (order_id, position) DO UPDATE SET unit_price = excluded.unit_price`,
			orderID, i, taken.ItemID, taken.Name, taken.Quantity, taken.UnitPrice); err != nil {
			return r, err
		}
	}
	return r, s.tell(ctx, tx, UpdatedData{Cause: causeReserved, OrderID: orderID, Items: items}, now)
}

// take removes one line's quantity from the shelf, and says what is left.
func take(ctx context.Context, tx *platform.Conn, line Line) (taken Line, left int64, err error) {
	err = tx.QueryRow(ctx, []any{&line.Name, &line.UnitPrice, &left},
		"UPDATE items SET available = available - ? WHERE id = ? AND available >= ? RETURNING name, price, available",
		line.Quantity, line.ItemID, line.Quantity)
	if !errors.Is(err, sql.ErrNoRows) {
		return line, left, err
	}
	err = tx.QueryRow(ctx, []any{&left}, "SELECT available FROM items WHERE id = ?", line.ItemID)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return line, 0, fmt.Errorf("%w: %s", ErrUnknownItem, line.ItemID)
	case err != nil:
		return line, 0, err
	}
	return line, left, fmt.Errorf("%w: %s: %d wanted, %d left", ErrOutOfStock, line.ItemID, line.Quantity, left)
}

// Confirm makes the order's reservation final. One that is late but still holds
// is as good as any. A second confirmation changes nothing.
func (s *Store) Confirm(ctx context.Context, orderID string) error {
	return s.db.InTx(ctx, func(tx *platform.Conn) error {
		n, err := tx.Exec(ctx, "UPDATE reservations SET state = ? WHERE order_id = ? AND state IN (?, ?)",
			stateConfirmed, orderID, stateReserved, stateConfirmed)
		if err != nil || n > 0 {
			return err
		}
		state, _, err := findReservation(ctx, tx, orderID)
		switch {
		case err != nil:
			return err
		case state == stateExpired:
			return ErrExpired
		}
		return ErrReleased
	})
}

// Release puts the order's stock back. A second release changes nothing; one
// that comes first keeps the order from ever reserving.
func (s *Store) Release(ctx context.Context, orderID string, now time.Time) error {
	return s.inTx(ctx, func(tx *platform.Conn) error {
		state, _, err := findReservation(ctx, tx, orderID)
		switch {
		case err != nil:
			return err
		case state == stateReleased:
			return nil
		case state == "":
			_, err := tx.Exec(ctx, "INSERT INTO reservations (order_id, state, created_at, expires_at) VALUES (?, ?, ?, ?)",
				orderID, stateReleased, now.UnixMilli(), now.UnixMilli())
			return err
		case state == stateExpired:
			return setState(ctx, tx, orderID, stateReleased)
		}
		return s.giveBack(ctx, tx, orderID, stateReleased, UpdatedData{Cause: causeReleased, OrderID: orderID}, now)
	})
}

// giveBack puts what is set aside for the order on the shelf, and tells of it.
func (s *Store) giveBack(ctx context.Context, tx *platform.Conn, orderID string, to state, told UpdatedData, now time.Time) (err error) {
	told.Items, err = levels(ctx, tx, `UPDATE items SET available = available + line.quantity
		FROM (SELECT item_id, sum(quantity) AS quantity FROM reservation_lines WHERE order_id = ? GROUP BY item_id) AS line
		WHERE items.id = line.item_id RETURNING items.id, items.available`, orderID)
	if err != nil {
		return err
	}
	if err := setState(ctx, tx, orderID, to); err != nil {
		return err
	}
	return s.tell(ctx, tx, told, now)
}

func setState(ctx context.Context, tx *platform.Conn, orderID string, to state) error {
	_, err := tx.Exec(ctx, "UPDATE reservations SET state = ? WHERE order_id = ?", to, orderID)
	return err
}

func findReservation(ctx context.Context, tx *platform.Conn, orderID string) (s state, expires time.Time, err error) {
	var at int64
	err = tx.QueryRow(ctx, []any{&s, &at}, "SELECT state, expires_at FROM reservations WHERE order_id = ?", orderID)
	if errors.Is(err, sql.ErrNoRows) {
		return "", expires, nil
	}
	return s, time.UnixMilli(at).UTC(), err
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
