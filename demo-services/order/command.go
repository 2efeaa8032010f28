package order

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// commandAttempts is how often a command that does not care for the order's
// version looks at it again when it has moved on meanwhile.
const commandAttempts = 3

// command loads the order, lets decide change it, and does so again when
// somebody else was quicker, unless the caller wants one version of it.
func (s *Server) command(ctx context.Context, id string, expected int64, decide func(*Order) error) (Order, error) {
	if !legible(id) {
		return Order{}, unknownOrder()
	}
	for attempt := 1; ; attempt++ {
		o, err := s.store.Find(ctx, id)
		switch {
		case errors.Is(err, ErrUnknown):
			return o, unknownOrder()
		case err != nil:
			return o, err
		case expected != 0 && expected != o.Version:
			return o, moved(o)
		}
		err = decide(&o)
		switch {
		case !errors.Is(err, ErrMoved):
			return o, err
		case expected != 0 || attempt == commandAttempts:
			return o, moved(o)
		}
	}
}

// CancelOrder implements OrderService.
func (s *Server) CancelOrder(ctx context.Context, r *orderv1.CancelOrderRequest) (*orderv1.CancelOrderResponse, error) {
	var ours bool
	var before string // where the order was at before
	o, err := s.command(ctx, r.GetOrderId(), r.GetExpectedVersion(), func(o *Order) (err error) {
		before = o.Traceparent
		ours, err = s.saga.cancel(ctx, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	if ours {
		if o, err = s.saga.Run(ctx, o, "cancel order", platform.LinksTo(before)...); err != nil && !errors.Is(err, ErrMoved) {
			return nil, err
		}
	}
	return &orderv1.CancelOrderResponse{Order: o.message()}, nil
}

// cancel says that the order is to be undone, and whether the caller is to drive
// that: an order that is undone already stays as it is. Whoever drives the saga
// of an order that is under way is stopped by its next step.
func (s *Saga) cancel(ctx context.Context, o *Order) (ours bool, err error) {
	f := Failed{Reason: platform.ReasonCancelledByCustomer, UndoStock: true}
	switch o.Step {
	case Cancelling, Cancelled:
		return false, nil
	case Created: // Nothing is charged before stock is reserved.
	case Reserved, Paid, Confirmed:
		f.UndoPayment = true
	default:
		return false, conflict(*o, "cancelled")
	}
	o.Headers = s.headers(ctx)
	err = s.store.Undo(ctx, o, f, s.config.Lease)
	return err == nil, err
}

// ChangeStatus implements OrderService.
func (s *Server) ChangeStatus(ctx context.Context, r *orderv1.ChangeStatusRequest) (*orderv1.ChangeStatusResponse, error) {
	o, err := s.command(ctx, r.GetOrderId(), r.GetExpectedVersion(), func(o *Order) error {
		switch to := r.GetStatus(); {
		case to == o.Step.status(): // It was done before.
			return nil
		case to == orderv1.Status_STATUS_SHIPPED && o.Step == Confirmed:
			return s.store.Append(ctx, o, Dispatched{})
		case to == orderv1.Status_STATUS_DELIVERED && o.Step == Shipped:
			return s.store.Append(ctx, o, HandedOver{})
		default:
			return conflict(*o, statusText(to))
		}
	})
	if err != nil {
		return nil, err
	}
	return &orderv1.ChangeStatusResponse{Order: o.message()}, nil
}

func unknownOrder() error {
	return platform.RPCError(codes.NotFound, platform.ReasonUnknownOrder, "unknown order", nil)
}

// conflict is a command that does not fit the order's status.
func conflict(o Order, to string) error {
	return platform.RPCError(codes.FailedPrecondition, platform.ReasonStatusConflict,
		fmt.Sprintf("an order that is %s can't be %s", statusText(o.Step.status()), to), map[string]string{"order_id": o.ID})
}

// moved is a command that was made for another version of the order.
func moved(o Order) error {
	return platform.RPCError(codes.Aborted, platform.ReasonVersionConflict,
		fmt.Sprintf("the order has moved on, it was at version %d", o.Version), map[string]string{"order_id": o.ID})
}
