package order

import (
	"encoding/json"
	"fmt"
)

// Fact is what one event says has happened to an order. Facts stay in the
// event store for ever: a field is never renamed and never changes its meaning.
type Fact interface {
	// kind is the fact's name in the store.
	kind() string
	// apply changes the order as the fact says. It can't fail: what has
	// happened has happened.
	apply(o *Order)
}

// Placed begins every order.
type Placed struct {
	UserID   string `json:"user_id"`
	Email    string `json:"email"`
	Currency string `json:"currency"`
	// ExpectedAmount is what the customer agreed to pay, or zero.
	ExpectedAmount int64  `json:"expected_amount,omitempty"`
	Lines          []Line `json:"lines"`
}

// StockReserved says that the lines are set aside, at these prices.
type StockReserved struct {
	Lines []Line `json:"lines"`
}

// PaymentTaken says that the money is taken.
type PaymentTaken struct{}

// Completed is the saga's good end.
type Completed struct{}

// Failed says that the order is to be undone, why, and what of it.
type Failed struct {
	Reason      string            `json:"reason"`
	Details     map[string]string `json:"details,omitempty"`
	UndoPayment bool              `json:"undo_payment,omitempty"`
	UndoStock   bool              `json:"undo_stock,omitempty"`
}

// PaymentRefunded says that no money is taken any more.
type PaymentRefunded struct{}

// StockReleased says that nothing is set aside any more.
type StockReleased struct{}

// Undone is the saga's other end.
type Undone struct{}

// Dispatched says that the order is on its way to the customer.
type Dispatched struct{}

// HandedOver says that the customer has the order.
type HandedOver struct{}

func (Placed) kind() string          { return "order.placed" }
func (StockReserved) kind() string   { return "order.stock-reserved" }
func (PaymentTaken) kind() string    { return "order.payment-taken" }
func (Completed) kind() string       { return "order.confirmed" }
func (Failed) kind() string          { return "order.failed" }
func (PaymentRefunded) kind() string { return "order.payment-refunded" }
func (StockReleased) kind() string   { return "order.stock-released" }
func (Undone) kind() string          { return "order.cancelled" }
func (Dispatched) kind() string      { return "order.shipped" }
func (HandedOver) kind() string      { return "order.delivered" }

func (f Placed) apply(o *Order) {
	o.Step = Created
	o.UserID, o.Email, o.Currency, o.ExpectedAmount, o.Lines = f.UserID, f.Email, f.Currency, f.ExpectedAmount, f.Lines
}

func (f StockReserved) apply(o *Order) {
	o.Step, o.Lines, o.Amount = Reserved, f.Lines, Total(f.Lines)
}

func (PaymentTaken) apply(o *Order) { o.Step = Paid }
func (Completed) apply(o *Order)    { o.Step = Confirmed }

func (f Failed) apply(o *Order) {
	o.Step, o.Reason, o.Details, o.UndoPayment, o.UndoStock = Cancelling, f.Reason, f.Details, f.UndoPayment, f.UndoStock
}

func (PaymentRefunded) apply(o *Order) { o.UndoPayment = false }
func (StockReleased) apply(o *Order)   { o.UndoStock = false }
func (Undone) apply(o *Order)          { o.Step = Cancelled }
func (Dispatched) apply(o *Order)      { o.Step = Shipped }
func (HandedOver) apply(o *Order)      { o.Step = Delivered }

// decodeFact reads a fact as the store keeps it.
func decodeFact(kind, data string) (Fact, error) {
	switch kind {
	case Placed{}.kind():
		return decode[Placed](kind, data)
	case StockReserved{}.kind():
		return decode[StockReserved](kind, data)
	case PaymentTaken{}.kind():
		return PaymentTaken{}, nil
	case Completed{}.kind():
		return Completed{}, nil
	case Failed{}.kind():
		return decode[Failed](kind, data)
	case PaymentRefunded{}.kind():
		return PaymentRefunded{}, nil
	case StockReleased{}.kind():
		return StockReleased{}, nil
	case Undone{}.kind():
		return Undone{}, nil
	case Dispatched{}.kind():
		return Dispatched{}, nil
	case HandedOver{}.kind():
		return HandedOver{}, nil
	default:
		return nil, fmt.Errorf("event has unknown type %q", kind)
	}
}

func decode[F Fact](kind, data string) (Fact, error) {
	var f F
	if err := json.Unmarshal([]byte(data), &f); err != nil {
		return nil, fmt.Errorf("decode event %s: %w", kind, err)
	}
	return f, nil
}
