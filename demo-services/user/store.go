package user

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"time"

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
	// CreatedAt is when they came, to the millisecond.
	CreatedAt time.Time
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
			if _, err := tx.Exec(ctx, "INSERT OR IGNORE INTO users (id, name, email, blocked, created_at) VALUES (?, ?, ?, ?, ?)",
				u.ID, u.Name, u.Email, u.Blocked, u.CreatedAt.UnixMilli()); err != nil {
				return err
			}
		}
		return nil
	})
}

// Find reads one user, or returns ErrUnknown.
func (s *Store) Find(ctx context.Context, id string) (u User, err error) {
	found := false
	err = s.each(ctx, func(one User) { u, found = one, true }, "WHERE id = ?", id)
	if err == nil && !found {
		err = ErrUnknown
	}
	return u, err
}

// List reads users whose id comes after the given one, in the order of ids.
func (s *Store) List(ctx context.Context, after string, limit int) ([]User, error) {
	var users []User
	err := s.each(ctx, func(u User) { users = append(users, u) }, "WHERE id > ? ORDER BY id LIMIT ?", after, limit)
	return users, err
}

// each reads the users that the rest of the statement selects.
func (s *Store) each(ctx context.Context, each func(User), rest string, args ...any) error {
	return s.db.Query(ctx, func(scan platform.Scan) error {
		var u User
		var created int64
		if err := scan(&u.ID, &u.Name, &u.Email, &u.Blocked, &created); err != nil {
			return err
		}
		u.CreatedAt = time.UnixMilli(created).UTC()
		each(u)
		return nil
	}, "SELECT id, name, email, blocked, created_at FROM users "+rest, args...)
}
