package platformtest

import (
	"encoding/json"
	"testing"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// Outgoing is an event that waits in a service's outbox.
type Outgoing struct {
	Subject string
	Event   platform.Event
}

// OutboxOf reads a service's outbox, in order.
func OutboxOf(t testing.TB, db *platform.DB) []Outgoing {
	t.Helper()
	var events []Outgoing
	err := db.Query(t.Context(), func(scan platform.Scan) error {
		var e Outgoing
		var payload []byte
		if err := scan(&e.Subject, &payload); err != nil {
			return err
		}
		events = append(events, e)
		return json.Unmarshal(payload, &events[len(events)-1].Event)
	}, "SELECT subject, payload FROM outbox ORDER BY seq")
	if err != nil {
		t.Fatal(err)
	}
	return events
}
