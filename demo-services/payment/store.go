package payment

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"time"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

//go:embed migrations/*/*.sql
var migrations embed.FS

// Migrations are the schema of the service's database, in a folder for each kind.
func Migrations() (fs.FS, error) { return fs.Sub(migrations, "migrations") }

// State is what is known of a charge.
type State string

// The states of a charge; see migrations/001_charges.sql.
const (
	Pending   State = "PENDING"
	Charged   State = "CHARGED"
	Declined  State = "DECLINED"
	Refunding State = "REFUNDING"
	Refunded  State = "REFUNDED"
	Voided    State = "VOIDED"
)

// Charge is the money of one order.
type Charge struct {
	OrderID     string
	State       State
	ChargeID    string
	DeclineCode string
	Amount      int64
	Currency    string
}

// Store keeps charges. Safe for concurrent use.
type Store struct {
	db     *platform.DB
	outbox *platform.Outbox
}

// NewStore returns the store in an opened database, with the outbox in the same.
func NewStore(db *platform.DB, outbox *platform.Outbox) *Store { return &Store{db: db, outbox: outbox} }

// Open stores a pending charge unless the order has one, and returns the
// order's charge, and whether it is new.
func (s *Store) Open(ctx context.Context, c Charge, now time.Time) (charge Charge, opened bool, err error) {
	err = s.db.InTx(ctx, func(tx *platform.Conn) (err error) {
		charge, opened, err = open(ctx, tx, c, Pending, now)
		return err
	})
	return charge, opened, err
}

// OpenRefund notes that the money is to be given back, and returns what is
// left to do: nothing unless the state is Refunding. An order that has no
// charge can't be charged afterwards.
func (s *Store) OpenRefund(ctx context.Context, orderID string, now time.Time) (Charge, error) {
	var c Charge
	err := s.db.InTx(ctx, func(tx *platform.Conn) error {
		if _, err := tx.Exec(ctx, "UPDATE charges SET state = ?, updated_at = ? WHERE order_id = ? AND state IN (?, ?)",
			Refunding, now.UnixMilli(), orderID, Pending, Charged); err != nil {
			return err
		}
		var err error
		c, _, err = open(ctx, tx, Charge{OrderID: orderID}, Voided, now)
		return err
	})
	return c, err
}

// Settle moves the order's charge on to the state, charge id and decline code
// in c, if it is still in the state from, and has others told. It returns the
// charge as it is then.
func (s *Store) Settle(ctx context.Context, from State, c Charge, now time.Time) (Charge, error) {
	var settled Charge
	err := s.db.InTx(ctx, func(tx *platform.Conn) error {
		moved, err := tx.Exec(ctx, `UPDATE charges SET state = ?, charge_id = ?, decline_code = ?, updated_at = ?
			WHERE order_id = ? AND state = ?`, c.State, c.ChargeID, c.DeclineCode, now.UnixMilli(), c.OrderID, from)
		if err != nil {
			return err
		}
		if settled, err = find(ctx, tx, c.OrderID); err != nil || moved == 0 {
			return err
		}
		e, err := processed(settled, now)
		if err != nil {
			return err
		}
		return s.outbox.Add(ctx, tx, e)
	})
	if err == nil {
		s.outbox.Wake()
	}
	return settled, err
}

// Find reads the order's charge, or returns sql.ErrNoRows.
func (s *Store) Find(ctx context.Context, orderID string) (Charge, error) {
	return find(ctx, &s.db.Conn, orderID)
}

func open(ctx context.Context, tx *platform.Conn, c Charge, state State, now time.Time) (charge Charge, opened bool, err error) {
	stored, err := find(ctx, tx, c.OrderID)
	if !errors.Is(err, sql.ErrNoRows) {
		return stored, false, err
	}
	c.State = state
	_, err = tx.Exec(ctx, `INSERT INTO charges (order_id, state, amount, currency, created_at, updated_at, traceparent)
		VALUES (?, ?, ?, ?, ?, ?, ?)`, c.OrderID, c.State, c.Amount, c.Currency, now.UnixMilli(), now.UnixMilli(), platform.Traceparent(ctx))
	return c, err == nil, err
}

func find(ctx context.Context, on *platform.Conn, orderID string) (Charge, error) {
	c := Charge{OrderID: orderID}
	err := on.QueryRow(ctx, []any{&c.State, &c.ChargeID, &c.DeclineCode, &c.Amount, &c.Currency},
		"SELECT state, charge_id, decline_code, amount, currency FROM charges WHERE order_id = ?", orderID)
	return c, err
}
