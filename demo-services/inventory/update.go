package inventory

import (
	"context"
	"time"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// Why what is on the shelf has changed, as inventory.updated says.
const (
	causeReserved  = "reserved"
	causeReleased  = "released"
	causeExpired   = "expired"
	causeDelivered = "delivered"
)

// UpdatedData is the payload of inventory.updated.
type UpdatedData struct {
	// Cause is reserved, released, expired or delivered.
	Cause string `json:"cause"`
	// OrderID is whose stock it is; empty for deliveries.
	OrderID string  `json:"order_id,omitempty"`
	Items   []Level `json:"items"`
}

// Level is what is left of one item on the shelf.
type Level struct {
	ItemID    string `json:"item_id"`
	Available int64  `json:"available"`
}

// tell has others learn of a change of the shelf, in the transaction of it.
// Where nothing has changed there is nothing to tell.
func (s *Store) tell(ctx context.Context, tx *platform.Conn, data UpdatedData, now time.Time) error {
	if len(data.Items) == 0 {
		return nil
	}
	e, err := platform.NewEvent(platform.EventInventoryUpdated, now, data)
	if err != nil {
		return err
	}
	return s.outbox.Add(ctx, tx, e)
}

// levels runs a statement that returns ids of items and what is on the shelf.
func levels(ctx context.Context, tx *platform.Conn, query string, args ...any) ([]Level, error) {
	var items []Level
	err := tx.Query(ctx, func(scan platform.Scan) error {
		var l Level
		err := scan(&l.ItemID, &l.Available)
		items = append(items, l)
		return err
	}, query, args...)
	return items, err
}
