package main

import (
	"context"
	"sync"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	paymentv1 "github.com/waybill-dev/waybill/demo-services/api/payment/v1"
)

// trap holds orders up at one point of their saga. Orders of before go through.
type trap struct {
	mu      sync.Mutex
	point   string
	size    int
	old     map[string]bool
	ours    map[string]bool
	caught  map[string]bool
	reached chan struct{}
}

// set has the next orders, as many as size, be caught at the point.
func (t *trap) set(point string, size int) (reached <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.point, t.size, t.reached = point, size, make(chan struct{})
	t.ours, t.caught = map[string]bool{}, map[string]bool{}
	return t.reached
}

// spring has the orders that were caught be of before.
func (t *trap) spring() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range t.ours {
		t.old[id] = true
	}
	t.point = ""
}

// pass says that an order is at the point, and whether it is caught there.
func (t *trap) pass(point, id string) (caught bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.old[id] {
		return false
	}
	if t.ours != nil {
		t.ours[id] = true
	}
	if point != t.point {
		return false
	}
	if !t.caught[id] {
		t.caught[id] = true
		if len(t.caught) == t.size {
			close(t.reached)
		}
	}
	return true
}

// around makes a call for an order, and holds it up before or after it until the
// caller is gone.
func around[A any](ctx context.Context, t *trap, call, id string, do func() (A, error)) (A, error) {
	var none A
	if t.pass("before "+call, id) {
		<-ctx.Done()
		return none, ctx.Err()
	}
	answer, err := do()
	if t.pass("after "+call, id) {
		<-ctx.Done()
		return none, ctx.Err()
	}
	return answer, err
}

// tappedInventory and tappedPayment stand before the services.
type tappedInventory struct {
	inventoryv1.UnimplementedInventoryServiceServer
	trap *trap
	next inventoryv1.InventoryServiceClient
}

func (i tappedInventory) Reserve(ctx context.Context, r *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
	return around(ctx, i.trap, "reserve", r.GetOrderId(), func() (*inventoryv1.ReserveResponse, error) { return i.next.Reserve(ctx, r) })
}

func (i tappedInventory) Confirm(ctx context.Context, r *inventoryv1.ConfirmRequest) (*inventoryv1.ConfirmResponse, error) {
	return around(ctx, i.trap, "confirm", r.GetOrderId(), func() (*inventoryv1.ConfirmResponse, error) { return i.next.Confirm(ctx, r) })
}

func (i tappedInventory) Release(ctx context.Context, r *inventoryv1.ReleaseRequest) (*inventoryv1.ReleaseResponse, error) {
	return around(ctx, i.trap, "release", r.GetOrderId(), func() (*inventoryv1.ReleaseResponse, error) { return i.next.Release(ctx, r) })
}

type tappedPayment struct {
	paymentv1.UnimplementedPaymentServiceServer
	trap *trap
	next paymentv1.PaymentServiceClient
}

func (p tappedPayment) Charge(ctx context.Context, r *paymentv1.ChargeRequest) (*paymentv1.ChargeResponse, error) {
	return around(ctx, p.trap, "charge", r.GetOrderId(), func() (*paymentv1.ChargeResponse, error) { return p.next.Charge(ctx, r) })
}

func (p tappedPayment) Refund(ctx context.Context, r *paymentv1.RefundRequest) (*paymentv1.RefundResponse, error) {
	return around(ctx, p.trap, "refund", r.GetOrderId(), func() (*paymentv1.RefundResponse, error) { return p.next.Refund(ctx, r) })
}
