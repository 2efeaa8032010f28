package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/audit"
	"github.com/waybill-dev/waybill/demo-services/inventory"
	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

// ordersVariable says how many orders the tests with many of them place.
const ordersVariable = "WAYBILL_AUDIT_ORDERS"

// customer places the n-th order: of a hundred, ten cards are declined, five
// want what is sold out, two more than there is, two have an outage, and five
// change their minds afterwards. One in fifty gives no address to write to: what
// tells of their orders is poison for notification. Known is whether the customer
// has heard what becomes of the order.
func customer(ctx context.Context, orders orderv1.OrderServiceClient, n int) (id string, step order.Step, known bool) {
	card, item, quantity, email := psp.TokenVisa, inventory.Catalogue()[n%15].ID, int64(1+n%3), "ada@example.com"
	switch kind := n % 100; {
	case kind < 10:
		card = psp.TokenDeclined
	case kind < 15:
		item = inventory.SoldOutItem
	case kind < 17:
		quantity = 100_000
	case kind < 19:
		card = psp.TokenOutage
	}
	if n%50 == 7 || n%50 == 42 {
		email = ""
	}
	answer, err := orders.CreateOrder(ctx, &orderv1.CreateOrderRequest{
		UserId: fmt.Sprintf("usr_%d", n%37), Email: email, Currency: []string{"EUR", "USD", "GBP"}[n%3], CardToken: card,
		Lines: []*orderv1.Line{{ItemId: item, Quantity: quantity}},
	})
	if err != nil {
		// A refusal says why; an order that is still under way has no reason.
		reason, details := platform.ReasonOf(err)
		return details["order_id"], order.Cancelled, reason != "" && details["order_id"] != ""
	}
	if n%100 < 95 {
		return answer.GetOrder().GetId(), order.Confirmed, true
	}
	_, err = orders.CancelOrder(ctx, &orderv1.CancelOrderRequest{OrderId: answer.GetOrder().GetId()})
	return answer.GetOrder().GetId(), order.Cancelled, err == nil
}

// auditOrders is how many orders a test places.
func auditOrders(t *testing.T, fallback int) int {
	t.Helper()
	text := os.Getenv(ordersVariable)
	if text == "" {
		return fallback
	}
	count, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", ordersVariable, err)
	}
	return count
}

// crowd are sixteen customers at once, and what they have heard of their orders.
type crowd struct {
	orders orderv1.OrderServiceClient
	coming chan int
	served atomic.Int64
	busy   sync.WaitGroup
	mu     sync.Mutex
	heard  map[string]order.Step
}

// newCrowd has customers wait until they are let in by their numbers.
func newCrowd(t *testing.T, orders orderv1.OrderServiceClient) *crowd {
	t.Helper()
	c := &crowd{orders: orders, coming: make(chan int), heard: map[string]order.Step{}}
	for range 16 {
		c.busy.Go(func() {
			for n := range c.coming {
				if id, step, known := customer(t.Context(), orders, n); known {
					c.mu.Lock()
					c.heard[id] = step
					c.mu.Unlock()
				}
				c.served.Add(1)
			}
		})
	}
	return c
}

// leave returns when the last customer has gone.
func (c *crowd) leave() {
	close(c.coming)
	c.busy.Wait()
}

// wantTold compares what customers have heard with what has become of their
// orders, and returns how many have heard anything.
func (c *crowd) wantTold(t *testing.T, books *audit.Books) int {
	t.Helper()
	for id, step := range c.heard {
		if a := books.Orders[id]; a == nil || a.Order.Step != step {
			t.Errorf("a customer was told that order %s is %s, it is %+v", id, step, a)
		}
	}
	return len(c.heard)
}

// books are all that there is to know.
func (a auditTool) books(t *testing.T) *audit.Books {
	t.Helper()
	books, err := audit.Read(t.Context(), a.places...)
	if err != nil {
		t.Fatal(err)
	}
	if err := books.ReadBus(t.Context(), a.nats); err != nil {
		t.Fatal(err)
	}
	return books
}

// poison is what the order service makes of events while that fault is on.
var poison = regexp.MustCompile(`^poison: .*"order_id":"([^"]+)"`)

// wantPoisonedOnly compares the dead letters with the orders that nobody could
// be told of, because they have no address or what the bus has of them can't be
// read, and returns how many messages can't be.
func (a auditTool) wantPoisonedOnly(t *testing.T, books *audit.Books) (poisoned int) {
	t.Helper()
	want := map[string]int{}
	for id, a := range books.Orders {
		if a.Order.Email == "" {
			want[id] = a.Confirmed + a.Cancelled
		}
	}
	if _, err := platform.ReadStream(t.Context(), a.nats, platform.StreamOrders, func(_ string, payload []byte) {
		if found := poison.FindSubmatch(payload); found != nil {
			poisoned++
			if id := string(found[1]); books.Orders[id] != nil && books.Orders[id].Order.Email != "" {
				want[id]++
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, books.Letters); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
	if len(want) == 0 || books.Told == nil {
		t.Errorf("%d orders were poisoned, the bus has events of %d", len(want), len(books.Told))
	}
	return poisoned
}
