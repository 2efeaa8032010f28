package audit

import (
	"context"
	"encoding/json"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// Told are how many events of each type the bus has of one order.
type Told map[string]int

// aboutOrder is what an audit needs of an event's data.
type aboutOrder struct {
	OrderID string `json:"order_id"`
}

// ReadBus adds to the books what the bus of the server at url knows: the events
// of each order, unless it has dropped some, and the dead letters.
func (b *Books) ReadBus(ctx context.Context, url string) error {
	told := map[string]Told{}
	complete, err := platform.ReadStream(ctx, url, platform.StreamOrders, func(_ string, e platform.Event) {
		var about aboutOrder
		if json.Unmarshal(e.Data, &about) != nil || about.OrderID == "" {
			return
		}
		if told[about.OrderID] == nil {
			told[about.OrderID] = Told{}
		}
		told[about.OrderID][e.Type]++
	})
	if err != nil {
		return err
	}
	if complete {
		b.Told = told
	}
	return b.readLetters(ctx, url)
}

// readLetters counts the dead letters about each order that its customer was to
// be told of.
func (b *Books) readLetters(ctx context.Context, url string) error {
	letters, err := platform.OpenDeadLetters(url)
	if err != nil {
		return err
	}
	defer letters.Close()
	all, err := letters.List(ctx, 0, 1<<20)
	if err != nil {
		return err
	}
	for _, l := range all {
		var e struct {
			Data aboutOrder `json:"data"`
		}
		if l.Consumer == "notification" && json.Unmarshal(l.Payload, &e) == nil && e.Data.OrderID != "" {
			b.Letters[e.Data.OrderID]++
		}
	}
	return nil
}
