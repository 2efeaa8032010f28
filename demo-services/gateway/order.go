package gateway

import (
	"strings"
	"time"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
)

// OrderResponse is an order as clients see it.
type OrderResponse struct {
	ID string `json:"id"`
	// Status is pending, confirmed, cancelling or cancelled.
	Status string `json:"status"`
	// Reason says why the order was cancelled, as a problem's code does.
	Reason   string `json:"reason,omitempty"`
	UserID   string `json:"user_id"`
	Currency string `json:"currency"`
	// Amount is in minor units (cents).
	Amount    int64       `json:"amount"`
	Items     []OrderLine `json:"items"`
	CreatedAt time.Time   `json:"created_at"`
	UpdatedAt time.Time   `json:"updated_at"`
}

// OrderLine is one item of an order, with its price.
type OrderLine struct {
	ItemID    string `json:"item_id"`
	Name      string `json:"name,omitempty"`
	Quantity  int64  `json:"quantity"`
	UnitPrice int64  `json:"unit_price"`
}

func orderBody(o *orderv1.Order) OrderResponse {
	body := OrderResponse{
		ID:     o.GetId(),
		Status: strings.ToLower(strings.TrimPrefix(o.GetStatus().String(), "STATUS_")),
		Reason: strings.ToLower(strings.ReplaceAll(o.GetReason(), "_", "-")),
		UserID: o.GetUserId(), Currency: o.GetCurrency(), Amount: o.GetAmount(),
		Items:     make([]OrderLine, 0, len(o.GetLines())),
		CreatedAt: o.GetCreatedAt().AsTime(), UpdatedAt: o.GetUpdatedAt().AsTime(),
	}
	for _, line := range o.GetLines() {
		body.Items = append(body.Items, OrderLine{
			ItemID: line.GetItemId(), Name: line.GetName(), Quantity: line.GetQuantity(), UnitPrice: line.GetUnitPrice(),
		})
	}
	return body
}
