package order

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

func (w *world) cancel(ctx context.Context, id string, version int64) (*orderv1.Order, error) {
	answer, err := w.server.CancelOrder(ctx, &orderv1.CancelOrderRequest{OrderId: id, ExpectedVersion: version})
	return answer.GetOrder(), err
}

func (w *world) change(ctx context.Context, id string, to orderv1.Status, version int64) (*orderv1.Order, error) {
	answer, err := w.server.ChangeStatus(ctx, &orderv1.ChangeStatusRequest{OrderId: id, Status: to, ExpectedVersion: version})
	return answer.GetOrder(), err
}

func (w *world) mustPlace(t *testing.T, mugs int64) *orderv1.Order {
	t.Helper()
	o, err := w.place(t.Context(), mugs, psp.TokenVisa)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func wantError(t *testing.T, what string, err error, code codes.Code, reason string) {
	t.Helper()
	if got, _ := platform.ReasonOf(err); status.Code(err) != code || got != reason {
		t.Errorf("%s: %v, want %v with %s", what, err, code, reason)
	}
}

func TestConfirmedOrderIsCancelled(t *testing.T) {
	w := newWorld(t)
	o := w.mustPlace(t, 2)
	_, err := w.cancel(t.Context(), o.GetId(), o.GetVersion()-1)
	wantError(t, "another version", err, codes.Aborted, platform.ReasonVersionConflict)
	for range 2 { // The second time it is done already.
		got, err := w.cancel(t.Context(), o.GetId(), 0)
		if err != nil || got.GetStatus() != orderv1.Status_STATUS_CANCELLED {
			t.Errorf("cancelled order is %v, %v", got, err)
		}
	}
	want := cancelled(platform.ReasonCancelledByCustomer, psp.Refunded)
	want.Events = told("orders.confirmed order.confirmed", "orders.cancelled order.cancelled")
	w.wantOutcome(t, o.GetId(), want)
	_, err = w.cancel(t.Context(), "ord_no", 0)
	wantError(t, "unknown order", err, codes.NotFound, platform.ReasonUnknownOrder)
}

func TestCancellationGoesOnAfterACrash(t *testing.T) {
	for at := 1; at <= 4; at++ {
		w := newWorld(t)
		o := w.mustPlace(t, 2)
		written := 0
		w.store.appended = func() {
			if written++; written == at {
				panic(errKilled)
			}
		}
		func() {
			defer func() { _ = recover() }()
			_, _ = w.cancel(t.Context(), o.GetId(), 0)
		}()
		w.restart(t)
		w.later()
		if err := w.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := cancelled(platform.ReasonCancelledByCustomer, psp.Refunded)
		want.Events = told("orders.confirmed order.confirmed", "orders.cancelled order.cancelled")
		w.wantOutcome(t, o.GetId(), want)
		if written != at {
			t.Errorf("killed after %d events, want %d", written, at)
		}
	}
}

// TestOrderIsCancelledWhileItIsPlaced has the customer cancel at each point at
// which the saga waits for another service.
func TestOrderIsCancelledWhileItIsPlaced(t *testing.T) {
	for at, money := range map[string]psp.State{
		"before reserve": "", "after reserve": "", "before charge": "", "after charge": psp.Refunded,
		"before confirm": psp.Refunded, "after confirm": psp.Refunded,
	} {
		w := newWorld(t)
		var id string
		interfere := func(when string) func(string) error {
			return func(call string) error {
				if when+" "+call != at {
					return nil
				}
				if err := w.store.db.QueryRow(t.Context(), []any{&id}, "SELECT order_id FROM events"); err != nil {
					return err
				}
				_, err := w.cancel(t.Context(), id, 0)
				return err
			}
		}
		w.before, w.after = interfere("before"), interfere("after")
		_, err := w.place(t.Context(), 2, psp.TokenVisa)
		wantError(t, at, err, codes.Aborted, platform.ReasonCancelledByCustomer)
		w.wantOutcome(t, id, cancelled(platform.ReasonCancelledByCustomer, money))
	}
}

func TestStatusIsChanged(t *testing.T) {
	w := newWorld(t)
	id := w.mustPlace(t, 1).GetId()
	_, err := w.change(t.Context(), id, orderv1.Status_STATUS_DELIVERED, 0)
	wantError(t, "delivered before it is shipped", err, codes.FailedPrecondition, platform.ReasonStatusConflict)
	_, err = w.change(t.Context(), id, orderv1.Status_STATUS_PENDING, 0)
	wantError(t, "back to pending", err, codes.FailedPrecondition, platform.ReasonStatusConflict)
	for range 2 { // The second time it is done already.
		if o, err := w.change(t.Context(), id, orderv1.Status_STATUS_SHIPPED, 0); err != nil || o.GetStatus() != orderv1.Status_STATUS_SHIPPED {
			t.Errorf("shipped order is %v, %v", o, err)
		}
	}
	_, err = w.cancel(t.Context(), id, 0)
	wantError(t, "cancelled when it is shipped", err, codes.FailedPrecondition, platform.ReasonStatusConflict)
	o, err := w.change(t.Context(), id, orderv1.Status_STATUS_DELIVERED, 5)
	if err != nil || o.GetVersion() != 6 {
		t.Errorf("delivered order is %v, %v", o, err)
	}
}

// TestOneOfManyWritersWins has many writers append to the same version.
func TestOneOfManyWritersWins(t *testing.T) {
	w := newWorld(t)
	seen, err := w.store.Find(t.Context(), w.mustPlace(t, 1).GetId())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		wg.Go(func() {
			o := seen
			errs[i] = w.store.Append(t.Context(), &o, Dispatched{})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, ErrMoved):
			t.Error(err)
		}
	}
	if o, err := w.store.Find(t.Context(), seen.ID); err != nil || won != 1 || o.Version != seen.Version+1 {
		t.Errorf("%d have won, the order is at version %d of %d, %v", won, o.Version, seen.Version, err)
	}
}

// at moves the order service's clock to a moment.
func (w *world) at(moment time.Time) { w.store.now = func() time.Time { return moment } }
