package order

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/inventory"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

// TestStockIsNeverOversold has 1,000 customers at once want one of 100 pieces.
func TestStockIsNeverOversold(t *testing.T) {
	const customers, pieces = 1000, 100
	w := newWorld(t)
	w.config.CompensationTimeout = 5 * time.Minute // All of them wait for one database.
	if err := w.stock.AddItems(t.Context(), []inventory.Item{{ID: "print", Name: "Print", Price: 100, Capacity: pieces}}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var confirmed, soldOut atomic.Int64
	for range customers {
		wg.Go(func() {
			_, err := w.server.CreateOrder(t.Context(), &orderv1.CreateOrderRequest{
				UserId: "usr_ada", Currency: "EUR", CardToken: psp.TokenVisa, Lines: []*orderv1.Line{{ItemId: "print", Quantity: 1}},
			})
			reason, _ := platform.ReasonOf(err)
			switch {
			case err == nil:
				confirmed.Add(1)
			case reason == platform.ReasonOutOfStock:
				soldOut.Add(1)
			default:
				t.Errorf("order failed: %v", err)
			}
		})
	}
	wg.Wait()
	left, err := w.stock.Available(t.Context(), "print")
	if err != nil || left != 0 || confirmed.Load() != pieces || soldOut.Load() != customers-pieces {
		t.Errorf("%d confirmed, %d sold out, %d left, %v", confirmed.Load(), soldOut.Load(), left, err)
	}
	if err := w.projector.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantStatistics(t,
		&orderv1.Statistic{Status: orderv1.Status_STATUS_CONFIRMED, Currency: "EUR", Orders: pieces, Amount: pieces * 100},
		&orderv1.Statistic{Status: orderv1.Status_STATUS_CANCELLED, Currency: "EUR", Orders: customers - pieces})
}
