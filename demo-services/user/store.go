package user

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the schema of the service's database.
func Migrations() (fs.FS, error) { return fs.Sub(migrations, "migrations") }

// User is a customer of the shop.
type User struct {
	ID    string
	Name  string
	Email string
	// Blocked customers may not order.
	Blocked bool
}

// ErrUnknown says that there is no such user.
var ErrUnknown = errors.New("unknown user")

// Store keeps users. Safe for concurrent use.
type Store struct{ db *platform.DB }

// NewStore returns the store in an opened database.
func NewStore(db *platform.DB) *Store { return &Store{db: db} }

// Add stores users; those whose id is taken stay as they are.
func (s *Store) Add(ctx context.Context, users []User) error {
	return s.db.InTx(ctx, func(tx *platform.Conn) error {
		for _, u := range users {
			if _, err := tx.Exec(ctx, "INSERT OR IGNORE INTO users (id, name, email, blocked) VALUES (?, ?, ?, ?)",
				u.ID, u.Name, u.Email, u.Blocked); err != nil {
				return err
			}
		}
		return nil
	})
}

// Find reads one user, or returns ErrUnknown.
func (s *Store) Find(ctx context.Context, id string) (User, error) {
	u := User{ID: id}
	err := s.db.QueryRow(ctx, []any{&u.Name, &u.Email, &u.Blocked},
		"SELECT name, email, blocked FROM users WHERE id = ?", id)
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, ErrUnknown
	}
	return u, err
}
