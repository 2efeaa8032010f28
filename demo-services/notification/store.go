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

// Message is what a customer is told about one event.
type Message struct {
	EventID   string
	OrderID   string
	Recipient string
	Subject   string
	Body      string
	QueuedAt  time.Time
	// SentAt is zero until the message is sent.
	SentAt time.Time
	// Attempts is how often somebody has begun to send it.
	Attempts int
	// Traceparent is the span that has handled the event; see platform.Traceparent.
	Traceparent string
}

// Store keeps the messages, those that wait and those that were sent. Safe for
// concurrent use.
type Store struct{ db *platform.DB }

// NewStore returns the store in an opened database.
func NewStore(db *platform.DB) *Store { return &Store{db: db} }

// Queue has a message sent. One whose event has a message already changes nothing,
// and queued is false.
func (s *Store) Queue(ctx context.Context, m Message) (queued bool, err error) {
	at := m.QueuedAt.UnixMilli()
	n, err := s.db.Exec(ctx, `INSERT INTO messages
		(event_id, order_id, recipient, subject, body, sent_at, queued_at, due_at, traceparent)
		VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?) ON CONFLICT DO NOTHING`,
		m.EventID, m.OrderID, m.Recipient, m.Subject, m.Body, at, at, m.Traceparent)
	return n > 0, err
}

// Claim takes the message that has been due longest and leaves it to the caller
// until the lease ends: whoever dies meanwhile has it sent by another then. It
// returns sql.ErrNoRows if nothing is due.
func (s *Store) Claim(ctx context.Context, now time.Time, lease time.Duration) (Message, error) {
	var m Message
	var queued int64
	err := s.db.InTx(ctx, func(tx *platform.Conn) error {
		return tx.QueryRow(ctx,
			[]any{&m.EventID, &m.OrderID, &m.Recipient, &m.Subject, &m.Body, &queued, &m.Attempts, &m.Traceparent},
			`UPDATE messages SET due_at = ?, attempts = attempts + 1
			WHERE event_id IN (SELECT event_id FROM messages WHERE due_at <= ? ORDER BY due_at, event_id LIMIT 1)
			RETURNING event_id, order_id, recipient, subject, body, queued_at, attempts, traceparent`,
			now.Add(lease).UnixMilli(), now.UnixMilli())
	})
	m.QueuedAt = time.UnixMilli(queued)
	return m, err
}

// Sent says that a message was sent, which is final.
func (s *Store) Sent(ctx context.Context, eventID string, at time.Time) error {
	_, err := s.db.Exec(ctx, "UPDATE messages SET sent_at = ?, due_at = NULL, failure = '' WHERE event_id = ?", at.UnixMilli(), eventID)
	return err
}

// Postpone has a message that could not be sent tried again at due.
func (s *Store) Postpone(ctx context.Context, eventID, why string, due time.Time) error {
	_, err := s.db.Exec(ctx, "UPDATE messages SET failure = ?, due_at = ? WHERE event_id = ? AND sent_at = 0", why, due.UnixMilli(), eventID)
	return err
}

// Refuse gives a message up, and says why.
func (s *Store) Refuse(ctx context.Context, eventID, why string) error {
	_, err := s.db.Exec(ctx, "UPDATE messages SET failure = ?, due_at = NULL WHERE event_id = ? AND sent_at = 0", why, eventID)
	return err
}

// OfOrder reads the messages that were sent about one order, oldest first.
func (s *Store) OfOrder(ctx context.Context, orderID string) ([]Message, error) {
	var messages []Message
	err := s.db.Query(ctx, func(scan platform.Scan) error {
		m := Message{OrderID: orderID}
		var queued, sent int64
		err := scan(&m.EventID, &m.Recipient, &m.Subject, &m.Body, &queued, &sent, &m.Attempts, &m.Traceparent)
		m.QueuedAt, m.SentAt = time.UnixMilli(queued), time.UnixMilli(sent)
		messages = append(messages, m)
		return err
	}, `SELECT event_id, recipient, subject, body, queued_at, sent_at, attempts, traceparent
		FROM messages WHERE order_id = ? AND sent_at > 0 ORDER BY sent_at, event_id`, orderID)
	return messages, err
}

// nothingDue says whether Claim has found nothing.
func nothingDue(err error) bool { return errors.Is(err, sql.ErrNoRows) }
