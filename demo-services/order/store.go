package order

import (
	"context"
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

// The store's errors.
var (
	// ErrUnknown says that there is no such order.
	ErrUnknown = errors.New("unknown order")
	// ErrMoved says that something has happened to the order that whoever
	// wanted to change it has not seen: somebody else drives its saga.
	ErrMoved = errors.New("order has moved on")
)

// Store is where commands write: the events of orders, who drives their sagas,
// and what is to be published. Each method is one transaction; those that
// change an order return ErrMoved unless it is as in o, and then change o too.
// Times are kept to the millisecond. Safe for concurrent use.
type Store struct {
	db     *platform.DB
	outbox *platform.Outbox
	now    func() time.Time
	// appended is called when there are new events.
	appended func()
}

// NewStore returns the store in an opened database, with the outbox in the same.
func NewStore(db *platform.DB, outbox *platform.Outbox) *Store {
	return &Store{
		db: db, outbox: outbox, appended: func() {},
		now: func() time.Time { return time.Now().UTC().Truncate(time.Millisecond) },
	}
}

// Place stores a new order. Until lease has passed only the caller drives its
// saga.
func (s *Store) Place(ctx context.Context, o *Order, fact Placed, lease time.Duration) error {
	return s.change(ctx, o, fact, func(tx *platform.Conn, _ Order, now time.Time) error {
		return beginSaga(ctx, tx, *o, now.Add(lease))
	})
}

// Append adds what has happened to the order.
func (s *Store) Append(ctx context.Context, o *Order, fact Fact) error {
	return s.change(ctx, o, fact, func(*platform.Conn, Order, time.Time) error { return nil })
}

// Undo adds that an order is to be undone whose saga may have ended. Until
// lease has passed only the caller drives it.
func (s *Store) Undo(ctx context.Context, o *Order, fact Failed, lease time.Duration) error {
	return s.change(ctx, o, fact, func(tx *platform.Conn, _ Order, now time.Time) error {
		return beginSaga(ctx, tx, *o, now.Add(lease))
	})
}

// End adds how the order's saga has ended, and forgets the saga and the card.
func (s *Store) End(ctx context.Context, o *Order, fact Fact) error {
	return s.change(ctx, o, fact, func(tx *platform.Conn, ended Order, _ time.Time) error {
		_, err := tx.Exec(ctx, "DELETE FROM sagas WHERE order_id = ?", ended.ID)
		return err
	})
}

// change appends the fact, does what belongs to it, and has others told of it:
// all of that or nothing.
func (s *Store) change(ctx context.Context, o *Order, fact Fact, also func(*platform.Conn, Order, time.Time) error) error {
	now := s.now()
	var changed Order
	var told bool
	err := s.db.InTx(ctx, func(tx *platform.Conn) (err error) {
		if changed, err = appendFact(ctx, tx, *o, fact, now); err != nil {
			return err
		}
		if err := also(tx, changed, now); err != nil {
			return err
		}
		var e platform.Event
		if e, told, err = announcement(changed, fact, now); err != nil || !told {
			return err
		}
		return s.outbox.Add(ctx, tx, e)
	})
	if err != nil {
		return err
	}
	*o = changed
	s.appended()
	if told {
		s.outbox.Wake()
	}
	return nil
}

// Find rebuilds one order from its events, or returns ErrUnknown.
func (s *Store) Find(ctx context.Context, id string) (Order, error) {
	return rebuild(ctx, &s.db.Conn, id)
}
