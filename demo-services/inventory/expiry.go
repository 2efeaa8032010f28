package inventory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// expiryBatch is how many reservations that are due are looked for at once.
const expiryBatch = 64

// due is a reservation that nobody has confirmed in time.
type due struct {
	orderID string
	// traceparent is where it was made, or empty.
	traceparent string
}

// due reads reservations that have expired and still hold, the oldest first.
func (s *Store) due(ctx context.Context, now time.Time) ([]due, error) {
	var all []due
	err := s.db.Query(ctx, func(scan platform.Scan) error {
		var d due
		err := scan(&d.orderID, &d.traceparent)
		all = append(all, d)
		return err
	}, "SELECT order_id, traceparent FROM reservations WHERE state = 'RESERVED' AND expires_at <= ? ORDER BY expires_at LIMIT ?",
		now.UnixMilli(), expiryBatch)
	return all, err
}

// expire puts the stock of a reservation back that is due, and says whether it
// was: it may have been confirmed or released meanwhile.
func (s *Store) expire(ctx context.Context, orderID string, now time.Time) (expired bool, err error) {
	err = s.inTx(ctx, func(tx *platform.Conn) error {
		expired = false
		state, expires, err := findReservation(ctx, tx, orderID)
		if err != nil || state != stateReserved || expires.After(now) {
			return err
		}
		expired = true
		return s.giveBack(ctx, tx, orderID, stateExpired, UpdatedData{Cause: causeExpired, OrderID: orderID}, now)
	})
	return expired && err == nil, err
}

// Expiry takes back what orders have had set aside and not confirmed in time.
// Safe for concurrent use.
type Expiry struct {
	store   *Store
	tracer  trace.Tracer
	logger  *slog.Logger
	expired prometheus.Counter
	now     func() time.Time
}

// NewExpiry returns the expiry of a store's reservations; Sweep does its work.
func NewExpiry(store *Store, tp trace.TracerProvider, logger *slog.Logger) *Expiry {
	return &Expiry{
		store: store, logger: logger, now: time.Now,
		tracer: tp.Tracer("github.com/waybill-dev/waybill/demo-services/inventory"),
		expired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shop_reservations_expired_total", Help: "Reservations whose stock went back because nobody confirmed them in time.",
		}),
	}
}

// register has the reservations counted: those that expired, and those that
// may.
func (e *Expiry) register(registerer prometheus.Registerer) error {
	return errors.Join(registerer.Register(e.expired), registerer.Register(e.store.db.RowGauge("shop_reservations_open",
		"Reservations that are not confirmed yet, and expire unless they are.", "SELECT count(*) FROM reservations WHERE state = 'RESERVED'")))
}

// Sweep expires all that is due now.
func (e *Expiry) Sweep(ctx context.Context) error {
	for {
		all, err := e.store.due(ctx, e.now())
		if err != nil || len(all) == 0 {
			return err
		}
		for _, d := range all {
			if err := e.one(ctx, d); err != nil {
				return fmt.Errorf("reservation of order %s: %w", d.orderID, err)
			}
		}
	}
}

// one expires a reservation in a trace of its own, which links to the one in
// which it was made.
func (e *Expiry) one(ctx context.Context, d due) error {
	ctx, span := e.tracer.Start(ctx, "expire reservation", trace.WithNewRoot(),
		trace.WithLinks(platform.LinksTo(d.traceparent)...), trace.WithAttributes(attribute.String("shop.order.id", d.orderID)))
	defer span.End()
	expired, err := e.store.expire(ctx, d.orderID, e.now())
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		return err
	}
	if expired {
		e.expired.Inc()
		e.logger.WarnContext(ctx, "reservation has expired", "order_id", d.orderID)
	}
	return nil
}
