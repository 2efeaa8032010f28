package order

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
)

// Step is how far an order's saga has come. It moves forward along
// Created, Reserved, Paid, Confirmed, or leaves to Cancelling and Cancelled. A
// confirmed order may go on to Shipped and Delivered.
type Step string

// The steps of the saga. Each is durable before the next begins.
const (
	// Created: nothing has been set aside, or it is not known that it has.
	Created Step = "CREATED"
	// Reserved: stock is set aside and the price is known.
	Reserved Step = "RESERVED"
	// Paid: the money is taken.
	Paid Step = "PAID"
	// Confirmed is the good end.
	Confirmed Step = "CONFIRMED"
	// Cancelling: the order failed; money or stock may still be to give back.
	Cancelling Step = "CANCELLING"
	// Cancelled is the other end.
	Cancelled Step = "CANCELLED"
	// Shipped: it is on its way to the customer.
	Shipped Step = "SHIPPED"
	// Delivered: the customer has it.
	Delivered Step = "DELIVERED"
)

// Ended says whether the saga has nothing left to do.
func (s Step) Ended() bool {
	switch s {
	case Confirmed, Cancelled, Shipped, Delivered:
		return true
	default:
		return false
	}
}

// Order is one customer's order, as its events have made it.
type Order struct {
	ID string
	// Version is how many events the order has.
	Version        int64
	UserID         string
	Email          string
	Currency       string
	ExpectedAmount int64
	Amount         int64
	Lines          []Line

	Step   Step
	Reason string
	// Details belong to the reason, such as decline_code.
	Details     map[string]string
	UndoPayment bool
	UndoStock   bool

	CreatedAt time.Time
	UpdatedAt time.Time
	// Traceparent is the trace context in which the last event was written, or
	// empty. Views do not have it.
	Traceparent string

	// What follows is known while the saga is under way, and only to who
	// drives it.
	CardToken string
	// Headers carry the trace context that the order was placed in.
	Headers map[string]string
	// Attempts counts how often the saga was taken over, and Failures how often
	// its compensation has failed in a row.
	Attempts int
	Failures int
}

// Line is one item of an order.
type Line struct {
	ItemID string `json:"item_id"`
	// Name and UnitPrice are known once stock is reserved.
	Name      string `json:"name,omitempty"`
	Quantity  int64  `json:"quantity"`
	UnitPrice int64  `json:"unit_price,omitempty"`
}

// Total is what the lines cost together, in minor units.
func Total(lines []Line) int64 {
	var total int64
	for _, line := range lines {
		total += line.UnitPrice * line.Quantity
	}
	return total
}

// message is the order as the API shows it.
func (o Order) message() *orderv1.Order {
	m := &orderv1.Order{
		Id: o.ID, Version: o.Version, UserId: o.UserID, Status: o.Step.status(), Reason: o.Reason,
		Currency: o.Currency, Amount: o.Amount,
		CreatedAt: timestamppb.New(o.CreatedAt), UpdatedAt: timestamppb.New(o.UpdatedAt),
	}
	for _, line := range o.Lines {
		m.Lines = append(m.Lines, &orderv1.Line{
			ItemId: line.ItemID, Name: line.Name, Quantity: line.Quantity, UnitPrice: line.UnitPrice,
		})
	}
	return m
}

func (s Step) status() orderv1.Status {
	switch s {
	case Confirmed:
		return orderv1.Status_STATUS_CONFIRMED
	case Cancelling:
		return orderv1.Status_STATUS_CANCELLING
	case Cancelled:
		return orderv1.Status_STATUS_CANCELLED
	case Shipped:
		return orderv1.Status_STATUS_SHIPPED
	case Delivered:
		return orderv1.Status_STATUS_DELIVERED
	default:
		return orderv1.Status_STATUS_PENDING
	}
}
