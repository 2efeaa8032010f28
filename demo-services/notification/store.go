package notification

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

// Message is what a customer was told about one event.
type Message struct {
	EventID   string
	OrderID   string
	Recipient string
	Subject   string
	Body      string
	SentAt    time.Time
}

// Store keeps the messages that were sent. Safe for concurrent use.
type Store struct{ db *platform.DB }

// NewStore returns the store in an opened database.
func NewStore(db *platform.DB) *Store { return &Store{db: db} }

// Sent says whether there is a message for the event.
func (s *Store) Sent(ctx context.Context, eventID string) (bool, error) {
	var one int
	err := s.db.QueryRow(ctx, []any{&one}, "SELECT 1 FROM messages WHERE event_id = ?", eventID)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// Add stores a message; one whose event has a message already changes nothing.
func (s *Store) Add(ctx context.Context, m Message) error {
	_, err := s.db.Exec(ctx, `INSERT INTO messages (event_id, order_id, recipient, subject, body, sent_at)
		VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, m.EventID, m.OrderID, m.Recipient, m.Subject, m.Body, m.SentAt.UnixMilli())
	return err
}

// OfOrder reads the messages about one order, oldest first.
func (s *Store) OfOrder(ctx context.Context, orderID string) ([]Message, error) {
	var messages []Message
	err := s.db.Query(ctx, func(scan platform.Scan) error {
		m := Message{OrderID: orderID}
		var sent int64
		err := scan(&m.EventID, &m.Recipient, &m.Subject, &m.Body, &sent)
		m.SentAt = time.UnixMilli(sent)
		messages = append(messages, m)
		return err
	}, "SELECT event_id, recipient, subject, body, sent_at FROM messages WHERE order_id = ? ORDER BY sent_at, event_id", orderID)
	return messages, err
}
