package order

import (
	"time"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// CreatedData is the payload of order.created. What it costs is not known yet.
type CreatedData struct {
	OrderID  string        `json:"order_id"`
	UserID   string        `json:"user_id"`
	Currency string        `json:"currency"`
	Lines    []OrderedLine `json:"lines"`
}

// OrderedLine is one item that a customer wants.
type OrderedLine struct {
	ItemID   string `json:"item_id"`
	Quantity int64  `json:"quantity"`
}

// EventData is the payload of order.confirmed and order.cancelled.
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

// announcement is the event that tells other services of the fact, if it is
// one that they are told of; o is the order as it is then.
func announcement(o Order, fact Fact, now time.Time) (e platform.Event, told bool, err error) {
	switch fact.(type) {
	case Placed:
		data := CreatedData{OrderID: o.ID, UserID: o.UserID, Currency: o.Currency}
		for _, line := range o.Lines {
			data.Lines = append(data.Lines, OrderedLine{ItemID: line.ItemID, Quantity: line.Quantity})
		}
		e, err = platform.NewEvent(platform.EventOrderCreated, now, data)
	case Completed:
		e, err = platform.NewEvent(platform.EventOrderConfirmed, now, endData(o))
	case Undone:
		e, err = platform.NewEvent(platform.EventOrderCancelled, now, endData(o))
	default:
		return e, false, nil
	}
	return e, true, err
}

func endData(o Order) EventData {
	return EventData{OrderID: o.ID, UserID: o.UserID, Email: o.Email, Currency: o.Currency, Amount: o.Amount, Reason: o.Reason}
}
