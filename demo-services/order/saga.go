package order

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	paymentv1 "github.com/waybill-dev/waybill/demo-services/api/payment/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// SagaConfig is how patient a saga is.
type SagaConfig struct {
	// Lease is how long whoever drives a saga has it to themselves. It must be
	// longer than a request and its compensation may take.
	Lease time.Duration
	// CompensationTimeout bounds one attempt to give everything back.
	CompensationTimeout time.Duration
	// RetryBase and RetryMax bound the time between attempts to compensate,
	// which doubles each time.
	RetryBase time.Duration
	RetryMax  time.Duration
	// ParkAfter is after how many failures in a row nobody tries any more, and
	// a person is to look at it; see Server.ResumeSaga.
	ParkAfter int
	// Drivers is how many sagas that nobody drives are taken over at once.
	Drivers int
}

// DefaultSagaConfig suits the gateway's request timeout of 5 s. A compensation
// is tried for five minutes before it is parked.
func DefaultSagaConfig() SagaConfig {
	return SagaConfig{
		Lease:               15 * time.Second,
		CompensationTimeout: 5 * time.Second,
		RetryBase:           time.Second,
		RetryMax:            30 * time.Second,
		ParkAfter:           14,
		Drivers:             8,
	}
}

// Saga brings orders to their end: stock set aside and money taken, or neither.
//
// Every step is durable before the next one begins, and what other services
// are asked to do is idempotent by order id, so a saga whose process was
// killed goes on from its last durable step. Safe for concurrent use; an order
// must be driven by its lease's owner only.
type Saga struct {
	store      *Store
	inventory  inventoryv1.InventoryServiceClient
	payment    paymentv1.PaymentServiceClient
	metrics    *metrics
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	logger     *slog.Logger
	config     SagaConfig
}

// Run drives the order as far as it gets: to its end, or to Cancelling when a
// compensation failed and is to be tried again. The context bounds the way
// forward; compensation has a time of its own. The links lead to where the saga
// was driven before. An error is one of the store's.
func (s *Saga) Run(ctx context.Context, o Order, spanName string, links ...trace.Link) (Order, error) {
	ctx, span := s.tracer.Start(ctx, spanName, trace.WithLinks(links...), trace.WithAttributes(
		attribute.String("shop.order.id", o.ID),
		attribute.Int("shop.saga.attempt", o.Attempts+1),
	))
	defer span.End()
	o, err := s.drive(ctx, o)
	span.SetAttributes(attribute.String("shop.saga.step", string(o.Step)))
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		return o, err
	}
	if o.Step != Confirmed {
		span.SetAttributes(attribute.String("shop.order.reason", o.Reason))
		if o.Step != Cancelled || o.Reason != platform.ReasonCancelledByCustomer {
			span.SetAttributes(attribute.String("error.type", o.Reason))
			span.SetStatus(codes.Error, o.Reason)
		}
	}
	return o, nil
}

func (s *Saga) drive(ctx context.Context, o Order) (Order, error) {
	for {
		var err error
		before := o.Step
		switch o.Step {
		case Created:
			o, err = s.reserve(ctx, o)
		case Reserved:
			o, err = s.charge(ctx, o)
		case Paid:
			o, err = s.confirm(ctx, o)
		case Cancelling:
			return s.compensate(ctx, o)
		default:
			return o, nil
		}
		if err != nil {
			return o, err
		}
		trace.SpanFromContext(ctx).AddEvent("order is "+string(o.Step), trace.WithAttributes(
			attribute.String("shop.saga.from", string(before)), attribute.String("shop.saga.to", string(o.Step))))
	}
}

// reserve takes an order from Created to Reserved or Cancelling.
func (s *Saga) reserve(ctx context.Context, o Order) (Order, error) {
	request := &inventoryv1.ReserveRequest{OrderId: o.ID}
	for _, line := range o.Lines {
		request.Lines = append(request.Lines, &inventoryv1.Line{ItemId: line.ItemID, Quantity: line.Quantity})
	}
	answer, err := s.inventory.Reserve(ctx, request)
	if err != nil {
		if left(ctx) {
			return o, errLeft
		}
		f := failureOf(ctx, err, platform.ReasonInventoryUnavailable)
		// A refusal sets nothing aside; silence may have.
		return s.advance(ctx, o, Failed{Reason: f.reason, Details: f.details, UndoStock: !f.final})
	}
	reserved := make([]Line, 0, len(answer.GetLines()))
	for _, line := range answer.GetLines() {
		reserved = append(reserved, Line{
			ItemID: line.GetItemId(), Name: line.GetName(), Quantity: line.GetQuantity(), UnitPrice: line.GetUnitPrice(),
		})
	}
	return s.advance(ctx, o, StockReserved{Lines: reserved})
}

// charge takes an order from Reserved to Paid or Cancelling.
func (s *Saga) charge(ctx context.Context, o Order) (Order, error) {
	if o.ExpectedAmount != 0 && o.ExpectedAmount != o.Amount {
		f := mismatch(o)
		return s.advance(ctx, o, Failed{Reason: f.reason, Details: f.details, UndoStock: true})
	}
	_, err := s.payment.Charge(ctx, &paymentv1.ChargeRequest{
		OrderId:   o.ID,
		Total:     &paymentv1.Money{Amount: o.Amount, Currency: o.Currency},
		CardToken: o.CardToken,
	})
	if err != nil {
		if left(ctx) {
			return o, errLeft
		}
		f := failureOf(ctx, err, platform.ReasonPaymentUnavailable)
		return s.advance(ctx, o, Failed{Reason: f.reason, Details: f.details, UndoStock: true, UndoPayment: !f.final})
	}
	return s.advance(ctx, o, PaymentTaken{})
}

// left says whether the saga is to be left as it is, because this process
// stops. A customer who goes away is another matter.
func left(ctx context.Context) bool {
	return ctx.Value(takenOver{}) != nil && errors.Is(ctx.Err(), context.Canceled)
}

// advance writes down what has come of a step, although the client may have
// gone meanwhile.
func (s *Saga) advance(ctx context.Context, o Order, fact Fact) (Order, error) {
	ctx, cancel := s.detached(ctx)
	defer cancel()
	err := s.store.Append(ctx, &o, fact)
	return o, err
}

// confirm takes an order from Paid to Confirmed, or to Cancelling when its stock
// can't be had for good: the reservation may have expired, because the saga was
// left alone for so long.
func (s *Saga) confirm(ctx context.Context, o Order) (Order, error) {
	if _, err := s.inventory.Confirm(ctx, &inventoryv1.ConfirmRequest{OrderId: o.ID}); err != nil {
		if left(ctx) {
			return o, errLeft
		}
		f := failureOf(ctx, err, platform.ReasonInventoryUnavailable)
		return s.advance(ctx, o, Failed{Reason: f.reason, Details: f.details, UndoStock: true, UndoPayment: true})
	}
	ctx, cancel := s.detached(ctx)
	defer cancel()
	if err := s.end(ctx, &o, Completed{}); err != nil {
		return o, err
	}
	s.logger.InfoContext(ctx, "order confirmed", "order_id", o.ID, "user_id", o.UserID, "amount", o.Amount, "currency", o.Currency)
	return o, nil
}

// end writes down how the saga has ended.
func (s *Saga) end(ctx context.Context, o *Order, fact Fact) error {
	if err := s.store.End(ctx, o, fact); err != nil {
		return err
	}
	o.CardToken = ""
	s.metrics.ended(ctx, *o)
	return nil
}

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

// detached keeps the trace and drops the deadline and cancellation of the
// request: what must be written down is written although the client has gone.
func (s *Saga) detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), s.config.CompensationTimeout)
}

// headers is the trace context as it travels with an event.
func (s *Saga) headers(ctx context.Context) map[string]string {
	carrier := propagation.MapCarrier{}
	s.propagator.Inject(ctx, carrier)
	return carrier
}

// Recover takes over the sagas that nobody drives, several at once, until none
// is due. Orders come to it after a crash, when their request failed half way,
// and when a compensation is to be tried again. Each goes on in the trace that
// the order was placed in, with a link to where it was driven before.
func (s *Saga) Recover(ctx context.Context) error {
	var drivers errgroup.Group // One that fails does not stop the others half way.
	for range s.config.Drivers {
		drivers.Go(func() error { return s.takeOver(ctx) })
	}
	return drivers.Wait()
}

// takeOver drives one saga after the other, until none is due.
func (s *Saga) takeOver(ctx context.Context) error {
	for {
		o, err := s.store.Claim(ctx, s.config.Lease)
		if errors.Is(err, ErrUnknown) {
			return nil
		}
		if err != nil {
			return err
		}
		err = s.resume(ctx, o)
		switch {
		case errors.Is(err, errLeft):
			return nil
		case err != nil && !errors.Is(err, ErrMoved):
			return err
		}
	}
}

// takenOver marks the context of a saga that was taken over. It is cancelled
// when this process stops, and then only: nobody waits for an answer.
type takenOver struct{}

// errLeft says that a saga was left as it is because this process stops.
var errLeft = errors.New("saga is left to the next start")

func (s *Saga) resume(ctx context.Context, o Order) error {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, takenOver{}, true), s.config.CompensationTimeout)
	defer cancel()
	placed := s.propagator.Extract(ctx, propagation.MapCarrier(o.Headers))
	s.logger.InfoContext(placed, "saga resumed", "order_id", o.ID, "step", string(o.Step), "attempt", o.Attempts)
	_, err := s.Run(placed, o, "resume order", platform.LinksTo(o.Traceparent)...)
	return err
}
