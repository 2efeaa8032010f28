package psp

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

// State is what became of a charge.
type State string

// The states of a charge.
const (
	Captured State = "CAPTURED"
	Declined State = "DECLINED"
	Refunded State = "REFUNDED"
	Voided   State = "VOIDED"
)

// Charge is one request for money, known by its client's idempotency key.
type Charge struct {
	Key         string
	ID          string
	State       State
	DeclineCode string
	Amount      int64
	Currency    string
}

// errUnknown says that there is no charge with this key.
var errUnknown = errors.New("unknown charge")

// Store keeps charges. Safe for concurrent use.
type Store struct{ db *platform.DB }

// NewStore returns the store in an opened database.
func NewStore(db *platform.DB) *Store { return &Store{db: db} }

// Add stores the charge unless one with its key is there, and returns the one
// that is stored.
func (s *Store) Add(ctx context.Context, c Charge, now time.Time) (Charge, error) {
	var stored Charge
	err := s.db.InTx(ctx, func(tx *platform.Conn) error {
		if _, err := tx.Exec(ctx, `INSERT INTO charges (key, id, state, decline_code, amount, currency, created_at)
			VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, c.Key, c.ID, c.State, c.DeclineCode, c.Amount, c.Currency, now.UnixMilli()); err != nil {
			return err
		}
		var err error
		stored, err = find(ctx, tx, c.Key)
		return err
	})
	return stored, err
}

// Find reads the charge with the key, or returns errUnknown.
func (s *Store) Find(ctx context.Context, key string) (Charge, error) {
	return find(ctx, &s.db.Conn, key)
}

// Refund gives a captured charge back; one that was never made can't be made
// afterwards; any other stays what it is. It returns the charge as it is then.
func (s *Store) Refund(ctx context.Context, key string, now time.Time) (Charge, error) {
	var c Charge
	err := s.db.InTx(ctx, func(tx *platform.Conn) error {
		if _, err := tx.Exec(ctx, "INSERT INTO charges (key, id, state, created_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
			key, platform.NewID("ch"), Voided, now.UnixMilli()); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE charges SET state = ? WHERE key = ? AND state = ?", Refunded, key, Captured); err != nil {
			return err
		}
		var err error
		c, err = find(ctx, tx, key)
		return err
	})
	return c, err
}

func find(ctx context.Context, on *platform.Conn, key string) (Charge, error) {
	c := Charge{Key: key}
	err := on.QueryRow(ctx, []any{&c.ID, &c.State, &c.DeclineCode, &c.Amount, &c.Currency},
		"SELECT id, state, decline_code, amount, currency FROM charges WHERE key = ?", key)
	if errors.Is(err, sql.ErrNoRows) {
		return Charge{}, errUnknown
	}
	return c, err
}
