package order

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// busPublisher puts events on the bus, in the trace that they come from.
type busPublisher struct{ bus *platform.Bus }

// Publish implements publisher.
func (p busPublisher) Publish(ctx context.Context, e Outgoing) error {
	payload, err := json.Marshal(e.Event)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", e.Event.ID, err)
	}
	return p.bus.Publish(ctx, platform.Message{Subject: e.Subject, ID: e.Event.ID, Headers: e.Headers, Payload: payload})
}
