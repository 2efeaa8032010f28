package inventory

import (
	"context"
	"embed"
	"io/fs"
	"time"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

//go:embed migrations/*/*.sql
var migrations embed.FS

// Migrations are the schema of the service's database, in a folder for each kind.
func Migrations() (fs.FS, error) { return fs.Sub(migrations, "migrations") }

// Store keeps the stock. Safe for concurrent use: stock is never oversold,
// because it is taken by a conditional update inside one write transaction.
type Store struct {
	db     *platform.DB
	outbox *platform.Outbox
	// ttl is how long a reservation holds without being confirmed.
	ttl time.Duration
}

// NewStore returns the store in an opened database, with the outbox in the
// same. Reservations expire after ttl unless they are confirmed.
func NewStore(db *platform.DB, outbox *platform.Outbox, ttl time.Duration) *Store {
	return &Store{db: db, outbox: outbox, ttl: ttl}
}

// inTx is one write transaction, after which the outbox is looked at.
func (s *Store) inTx(ctx context.Context, work func(*platform.Conn) error) error {
	if err := s.db.InTx(ctx, work); err != nil {
		return err
	}
	s.outbox.Wake()
	return nil
}

// AddItems puts items on the shelf, full; those whose id is taken stay as they are.
func (s *Store) AddItems(ctx context.Context, items []Item) error {
	return s.db.InTx(ctx, func(tx *platform.Conn) error {
		for _, it := range items {
			if _, err := tx.Exec(ctx, "INSERT INTO items (id, name, price, capacity, available) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
				it.ID, it.Name, it.Price, it.Capacity, it.Capacity); err != nil {
				return err
			}
		}
		return nil
	})
}

// Available says how much of an item is on the shelf.
func (s *Store) Available(ctx context.Context, itemID string) (int64, error) {
	var available int64
	err := s.db.QueryRow(ctx, []any{&available}, "SELECT available FROM items WHERE id = ?", itemID)
	return available, err
}
