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

// NewExpiry returns the expiry of a store's reservations; Run does its work.
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
	return errors.Join(registerer.Register(e.expired), registerer.Register(openReservations{e.store}))
}

// Run looks for reservations that are due until the context ends.
func (e *Expiry) Run(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := e.Sweep(ctx); err != nil && ctx.Err() == nil {
			e.logger.Error("expiry of reservations failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
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

// openReservations counts the reservations that may expire, when it is asked.
type openReservations struct{ store *Store }

var openDesc = prometheus.NewDesc("shop_reservations_open", "Reservations that are not confirmed yet, and expire unless they are.", nil, nil)

// scrapeTimeout bounds how long a scrape waits for the database.
const scrapeTimeout = time.Second

// Describe implements prometheus.Collector.
func (o openReservations) Describe(out chan<- *prometheus.Desc) { out <- openDesc }

// Collect implements prometheus.Collector. While the database does not answer
// there is no figure, which is what there is to know.
func (o openReservations) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	var n int64
	if err := o.store.db.QueryRow(ctx, []any{&n}, "SELECT count(*) FROM reservations WHERE state = 'RESERVED'"); err != nil {
		return
	}
	out <- prometheus.MustNewConstMetric(openDesc, prometheus.GaugeValue, float64(n))
}
