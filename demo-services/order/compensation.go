package order

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/trace"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	paymentv1 "github.com/waybill-dev/waybill/demo-services/api/payment/v1"
)

// compensate gives back what the order holds, the last first, and ends it. If
// that fails, the order stays as it is and is tried again later.
func (s *Saga) compensate(ctx context.Context, o Order) (Order, error) {
	ctx, cancel := s.detached(ctx)
	defer cancel()
	err := s.undo(ctx, &o)
	if errors.Is(err, ErrMoved) {
		return o, err
	}
	if err != nil {
		return o, s.putOff(ctx, o, err)
	}
	if err := s.end(ctx, &o, Undone{}); err != nil {
		return o, err
	}
	s.logger.InfoContext(ctx, "order cancelled", "order_id", o.ID, "user_id", o.UserID, "reason", o.Reason)
	return o, nil
}

// putOff has a compensation that failed tried again later, or parks it.
func (s *Saga) putOff(ctx context.Context, o Order, cause error) error {
	// The attempt may have used up its time; this needs a little more.
	ctx, cancel := s.detached(ctx)
	defer cancel()
	s.metrics.compensationsFailed.Inc()
	if o.Failures+1 >= s.config.ParkAfter {
		trace.SpanFromContext(ctx).AddEvent("saga is parked")
		s.logger.ErrorContext(ctx, "saga is parked: its compensation has failed too often", "order_id", o.ID,
			"failures", o.Failures+1, "error", cause)
		return s.store.Park(ctx, o.ID, cause)
	}
	wait := min(s.config.RetryBase<<min(o.Failures, 16), s.config.RetryMax)
	s.logger.WarnContext(ctx, "compensation failed", "order_id", o.ID, "error", cause, "retry_in", wait.String())
	return s.store.Postpone(ctx, o.ID, wait, cause)
}

// undo calls the opposite of each step that is to be undone, and writes each
// down.
func (s *Saga) undo(ctx context.Context, o *Order) error {
	if o.UndoPayment {
		if _, err := s.payment.Refund(ctx, &paymentv1.RefundRequest{OrderId: o.ID}); err != nil {
			return err
		}
		if err := s.store.Append(ctx, o, PaymentRefunded{}); err != nil {
			return err
		}
	}
	if o.UndoStock {
		if _, err := s.inventory.Release(ctx, &inventoryv1.ReleaseRequest{OrderId: o.ID}); err != nil {
			return err
		}
		return s.store.Append(ctx, o, StockReleased{})
	}
	return nil
}
