package payment

import (
	"strings"
	"time"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// ProcessedData is the payload of payment.processed: what has become of the
// money of one order. An order may have two, a charge and its refund.
type ProcessedData struct {
	OrderID string `json:"order_id"`
	// ChargeID is the provider's, and empty if nothing was charged.
	ChargeID string `json:"charge_id,omitempty"`
	// Outcome is charged, declined, refunded or voided.
	Outcome string `json:"outcome"`
	// Amount is in the currency's minor unit.
	Amount      int64  `json:"amount"`
	Currency    string `json:"currency"`
	DeclineCode string `json:"decline_code,omitempty"`
}

// processed is the event that tells of what has become of a charge.
func processed(c Charge, now time.Time) (platform.Event, error) {
	return platform.NewEvent(platform.EventPaymentProcessed, now, ProcessedData{
		OrderID: c.OrderID, ChargeID: c.ChargeID, Outcome: strings.ToLower(string(c.State)),
		Amount: c.Amount, Currency: c.Currency, DeclineCode: c.DeclineCode,
	})
}
