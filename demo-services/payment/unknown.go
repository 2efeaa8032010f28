package payment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

// InquiryConfig is how charges and refunds are found out whose outcome is not
// known: the provider did not answer, or this process died before it did.
type InquiryConfig struct {
	// Interval is how often the database is looked at for them.
	Interval time.Duration
	// After is how long one is left to whoever is at it. It must be longer than
	// a call of the provider may take.
	After time.Duration
}

// DefaultInquiryConfig is as patient as a saga's lease is not.
func DefaultInquiryConfig() InquiryConfig {
	return InquiryConfig{Interval: 2 * time.Second, After: 10 * time.Second}
}

// inquiryBatch is how many are found out at a time.
const inquiryBatch = 64

// stateAt says what a charge is that is in the state at the provider.
func stateAt(provider psp.State) State {
	switch provider {
	case psp.Captured:
		return Charged
	case psp.Declined:
		return Declined
	case psp.Refunded:
		return Refunded
	default:
		return Voided
	}
}

// findOut asks the provider what has become of a pending charge, and writes it
// down. A charge that the provider does not know stays as it is: the request
// for it may still be under way.
func (s *Server) findOut(ctx context.Context, c Charge) (Charge, error) {
	at, err := s.psp.find(ctx, c.OrderID)
	if err != nil {
		return c, err
	}
	c.State, c.ChargeID, c.DeclineCode = stateAt(at.Status), at.ID, at.DeclineCode
	s.logger.InfoContext(ctx, "the charge's outcome is found out", "order_id", c.OrderID, "state", string(c.State))
	return s.settle(ctx, c)
}

// Inquiry finds out in the background what has become of charges and refunds
// that nobody is at any more. Safe for concurrent use.
type Inquiry struct {
	server *Server
	config InquiryConfig
	tracer trace.Tracer
	found  *prometheus.CounterVec
	now    func() time.Time
}

// NewInquiry returns the inquiry for a server's charges; Sweep does its work.
func NewInquiry(server *Server, cfg InquiryConfig, tp trace.TracerProvider) *Inquiry {
	return &Inquiry{
		server: server, config: cfg, now: time.Now,
		tracer: tp.Tracer("github.com/waybill-dev/waybill/demo-services/payment"),
		found: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_payment_found_out_total",
			Help: "Charges and refunds whose outcome was unknown and was asked for in the background, by what it is.",
		}, []string{"outcome"}),
	}
}

// register has what is unknown, and what was found out, counted.
func (i *Inquiry) register(registerer prometheus.Registerer) error {
	return errors.Join(registerer.Register(i.found), registerer.Register(i.server.store.db.RowGauge("shop_payment_unknown",
		"Charges and refunds whose outcome is not known, or not yet.", "SELECT count(*) FROM charges WHERE state IN ('PENDING', 'REFUNDING')")))
}

// Sweep asks once for each charge and refund that has been unknown for long
// enough. While the provider is left alone it does nothing.
func (i *Inquiry) Sweep(ctx context.Context) error {
	if i.server.psp.open() {
		return nil
	}
	unknown, err := i.server.store.unknown(ctx, i.now().Add(-i.config.After))
	if err != nil {
		return err
	}
	for _, u := range unknown {
		if err := i.one(ctx, u); err != nil {
			return fmt.Errorf("charge of order %s: %w", u.OrderID, err)
		}
	}
	return nil
}

// one finds out what has become of one charge or refund, in a trace of its own
// that links to the one in which it was opened. The error is the database's.
func (i *Inquiry) one(ctx context.Context, u unknownCharge) error {
	ctx, span := i.tracer.Start(ctx, "find out charge", trace.WithNewRoot(), trace.WithLinks(platform.LinksTo(u.traceparent)...),
		trace.WithAttributes(attribute.String("shop.order.id", u.OrderID), attribute.String("shop.charge.state", string(u.State))))
	defer span.End()
	ours, err := i.server.store.touch(ctx, u, i.now())
	if err != nil || !ours {
		return err
	}
	var c Charge
	if u.State == Refunding {
		c, err = i.server.giveBack(ctx, u.Charge)
	} else {
		c, err = i.server.findOut(ctx, u.Charge)
	}
	outcome := strings.ToLower(string(c.State))
	switch {
	case errors.Is(err, errUnknownCharge):
		outcome = "none"
	case err != nil:
		span.SetStatus(codes.Error, err.Error())
		outcome = "unknown"
	}
	span.SetAttributes(attribute.String("shop.charge.outcome", outcome))
	i.found.WithLabelValues(outcome).Inc()
	return nil
}

// unknownCharge is a charge or refund whose outcome is not known.
type unknownCharge struct {
	Charge
	// traceparent is where it was opened, or empty.
	traceparent string
	// touched is when somebody was at it last.
	touched int64
}

// unknown reads charges and refunds that nobody has been at since the time, the
// oldest first.
func (s *Store) unknown(ctx context.Context, since time.Time) ([]unknownCharge, error) {
	var all []unknownCharge
	err := s.db.Query(ctx, func(scan platform.Scan) error {
		var u unknownCharge
		err := scan(&u.OrderID, &u.State, &u.ChargeID, &u.Amount, &u.Currency, &u.traceparent, &u.touched)
		all = append(all, u)
		return err
	}, `SELECT order_id, state, charge_id, amount, currency, traceparent, updated_at FROM charges
		WHERE state IN ('PENDING', 'REFUNDING') AND updated_at <= ? ORDER BY updated_at LIMIT ?`, since.UnixMilli(), inquiryBatch)
	return all, err
}

// touch notes that somebody is at a charge, unless somebody else is already:
// another instance of the service.
func (s *Store) touch(ctx context.Context, u unknownCharge, now time.Time) (ours bool, err error) {
	n, err := s.db.Exec(ctx, "UPDATE charges SET updated_at = ? WHERE order_id = ? AND updated_at = ?", now.UnixMilli(), u.OrderID, u.touched)
	return n > 0, err
}
