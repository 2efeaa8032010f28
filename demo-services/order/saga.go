package order

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

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
