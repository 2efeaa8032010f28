package user

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

// User is a customer of the shop.
type User struct {
	ID    string
	Name  string
	Email string
	// Blocked customers may not order.
	Blocked bool
	// CreatedAt is when they came, to the millisecond.
	CreatedAt time.Time
	// passwordHash is what bcrypt makes of the password; empty for those who
	// can't sign in.
	passwordHash string
}

// What the store can't do.
var (
	ErrUnknown    = errors.New("unknown user")
	ErrEmailTaken = errors.New("another user has this email address")
)

// Store keeps users. Safe for concurrent use.
type Store struct {
	db     *platform.DB
	outbox *platform.Outbox
}

// NewStore returns the store in an opened database, and tells of new users by
// the outbox in it.
func NewStore(db *platform.DB, outbox *platform.Outbox) *Store { return &Store{db: db, outbox: outbox} }

// insert stores a user unless the id or the email address is taken.
func insert(ctx context.Context, tx *platform.Conn, u User) (stored bool, err error) {
	rows, err := tx.Exec(ctx, "INSERT INTO users (id, name, email, blocked, created_at, password_hash) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
		u.ID, u.Name, u.Email, u.Blocked, u.CreatedAt.UnixMilli(), u.passwordHash)
	return rows == 1, err
}

// EventData is the payload of user.created.
type EventData struct {
	UserID string `json:"user_id"`
}

// Register stores a new user and has the shop told, or returns ErrEmailTaken.
func (s *Store) Register(ctx context.Context, u User) error {
	return s.inTx(ctx, func(tx *platform.Conn) error {
		stored, err := s.add(ctx, tx, u)
		if err == nil && !stored {
			return ErrEmailTaken
		}
		return err
	})
}

// Add stores users and has the shop told of each; those whose id or email
// address is taken stay as they are.
func (s *Store) Add(ctx context.Context, users []User) error {
	return s.inTx(ctx, func(tx *platform.Conn) error {
		for _, u := range users {
			if _, err := s.add(ctx, tx, u); err != nil {
				return err
			}
		}
		return nil
	})
}

// inTx is one write transaction, after which the outbox is looked at.
func (s *Store) inTx(ctx context.Context, work func(*platform.Conn) error) error {
	if err := s.db.InTx(ctx, work); err != nil {
		return err
	}
	s.outbox.Wake()
	return nil
}

// add stores a user and has the shop told, unless there is one already.
func (s *Store) add(ctx context.Context, tx *platform.Conn, u User) (stored bool, err error) {
	event, err := platform.NewEvent(platform.EventUserCreated, u.CreatedAt, EventData{UserID: u.ID})
	if err != nil {
		return false, err
	}
	if stored, err = insert(ctx, tx, u); err != nil || !stored {
		return false, err
	}
	return true, s.outbox.Add(ctx, tx, event)
}

// Find reads one user, or returns ErrUnknown.
func (s *Store) Find(ctx context.Context, id string) (User, error) {
	return s.one(ctx, "WHERE id = ?", id)
}

// FindEmail reads the user with the email address, or returns ErrUnknown.
func (s *Store) FindEmail(ctx context.Context, email string) (User, error) {
	return s.one(ctx, "WHERE email = ?", email)
}

func (s *Store) one(ctx context.Context, rest string, args ...any) (u User, err error) {
	found := false
	err = s.each(ctx, func(one User) { u, found = one, true }, rest, args...)
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
		if err := scan(&u.ID, &u.Name, &u.Email, &u.Blocked, &created, &u.passwordHash); err != nil {
			return err
		}
		u.CreatedAt = time.UnixMilli(created).UTC()
		each(u)
		return nil
	}, "SELECT id, name, email, blocked, created_at, password_hash FROM users "+rest, args...)
}
