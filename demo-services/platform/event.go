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
