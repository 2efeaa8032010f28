package platform

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Event is the envelope of everything on the bus. ID is unique to what
// happened: whoever sees it twice has seen it once.
type Event struct {
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	Time    time.Time       `json:"timestamp"`
	Version int             `json:"version"`
	Data    json.RawMessage `json:"data"`
}

// Types of the shop's events.
const (
	EventUserCreated      = "user.created"
	EventOrderCreated     = "order.created"
	EventOrderConfirmed   = "order.confirmed"
	EventOrderCancelled   = "order.cancelled"
	EventPaymentProcessed = "payment.processed"
	EventInventoryUpdated = "inventory.updated"
)

// Subjects that the shop's events are published on, each in the stream of the
// service that publishes it.
const (
	SubjectUserCreated      = "users.created"
	SubjectOrderCreated     = "orders.created"
	SubjectConfirmed        = "orders.confirmed"
	SubjectCancelled        = "orders.cancelled"
	SubjectPaymentProcessed = "payments.processed"
	SubjectInventoryUpdated = "inventory.updated"
)

// SubjectOf is where events of the type are published.
func SubjectOf(eventType string) (string, error) {
	switch eventType {
	case EventUserCreated:
		return SubjectUserCreated, nil
	case EventOrderCreated:
		return SubjectOrderCreated, nil
	case EventOrderConfirmed:
		return SubjectConfirmed, nil
	case EventOrderCancelled:
		return SubjectCancelled, nil
	case EventPaymentProcessed:
		return SubjectPaymentProcessed, nil
	case EventInventoryUpdated:
		return SubjectInventoryUpdated, nil
	default:
		return "", fmt.Errorf("no subject for events of type %q", eventType)
	}
}

// NewEvent wraps data as version 1 of the event type.
func NewEvent(eventType string, at time.Time, data any) (Event, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return Event{}, fmt.Errorf("encode event %s: %w", eventType, err)
	}
	return Event{ID: NewID("evt"), Type: eventType, Time: at.UTC(), Version: 1, Data: raw}, nil
}

// NewID makes an identifier that nobody can guess: "ord_" and 20 characters
// of base 32, 100 random bits.
func NewID(prefix string) string {
	return prefix + "_" + strings.ToLower(rand.Text()[:20])
}
