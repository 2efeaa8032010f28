package order

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// Outgoing is an event in the outbox, on its way to the bus.
type Outgoing struct {
	seq     int64
	Subject string
	Event   platform.Event
	// Headers carry the trace context of what the event tells of.
	Headers map[string]string
}

// EventData is the payload of order events.
type EventData struct {
	OrderID  string `json:"order_id"`
	UserID   string `json:"user_id"`
	Email    string `json:"email"`
	Currency string `json:"currency"`
	// Amount is in minor units.
	Amount int64 `json:"amount"`
	// Reason says why the order was cancelled.
	Reason string `json:"reason,omitempty"`
}

// outgoing makes the event that tells of the order's end.
func outgoing(o Order, subject, eventType string, headers map[string]string, now time.Time) (Outgoing, error) {
	event, err := platform.NewEvent(eventType, now, EventData{
		OrderID: o.ID, UserID: o.UserID, Email: o.Email, Currency: o.Currency, Amount: o.Amount, Reason: o.Reason,
	})
	return Outgoing{Subject: subject, Event: event, Headers: headers}, err
}

// addOutgoing puts an event into the outbox.
func addOutgoing(ctx context.Context, tx *platform.Conn, e Outgoing, now time.Time) error {
	payload, err := json.Marshal(e.Event)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	headers, err := json.Marshal(e.Headers)
	if err != nil {
		return fmt.Errorf("encode headers: %w", err)
	}
	_, err = tx.Exec(ctx, "INSERT INTO outbox (event_id, subject, payload, headers, created_at) VALUES (?, ?, ?, ?, ?)",
		e.Event.ID, e.Subject, payload, string(headers), now.UnixMilli())
	return err
}

// Outgoing reads the oldest events of the outbox, in order.
func (s *Store) Outgoing(ctx context.Context, limit int) ([]Outgoing, error) {
	var events []Outgoing
	err := s.db.Query(ctx, func(scan platform.Scan) error {
		var e Outgoing
		var payload []byte
		var headers string
		if err := scan(&e.seq, &e.Subject, &payload, &headers); err != nil {
			return err
		}
		if err := json.Unmarshal(payload, &e.Event); err != nil {
			return fmt.Errorf("decode event: %w", err)
		}
		if err := json.Unmarshal([]byte(headers), &e.Headers); err != nil {
			return fmt.Errorf("decode headers: %w", err)
		}
		events = append(events, e)
		return nil
	}, "SELECT seq, subject, payload, headers FROM outbox ORDER BY seq LIMIT ?", limit)
	return events, err
}

// Published removes an event from the outbox.
func (s *Store) Published(ctx context.Context, e Outgoing) error {
	_, err := s.db.Exec(ctx, "DELETE FROM outbox WHERE seq = ?", e.seq)
	return err
}
