// Package payment takes and gives back the money of orders, through the
// payment provider outside (psp). It knows of every charge before the provider
// does, so that a crash between the two leaves nothing unknown for ever.
package payment

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	paymentv1 "github.com/waybill-dev/waybill/demo-services/api/payment/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

// settleTimeout bounds writing down what the provider has answered. It runs
// although the caller may have gone.
const settleTimeout = 3 * time.Second

// Server implements PaymentService. Safe for concurrent use.
type Server struct {
	paymentv1.UnimplementedPaymentServiceServer
	store  *Store
	psp    *Provider
	logger *slog.Logger
}

// NewServer returns a server on the store that takes money through the provider.
func NewServer(store *Store, provider *Provider, logger *slog.Logger) *Server {
	return &Server{store: store, psp: provider, logger: logger}
}

// Charge implements PaymentService.
func (s *Server) Charge(ctx context.Context, r *paymentv1.ChargeRequest) (*paymentv1.ChargeResponse, error) {
	total := r.GetTotal()
	if r.GetOrderId() == "" || total.GetAmount() <= 0 || total.GetCurrency() == "" || r.GetCardToken() == "" {
		return nil, platform.RPCError(codes.InvalidArgument, platform.ReasonInvalid,
			"order_id, a positive total and card_token are required", nil)
	}
	c, opened, err := s.store.Open(ctx, Charge{OrderID: r.GetOrderId(), Amount: total.GetAmount(), Currency: total.GetCurrency()}, time.Now())
	if err != nil {
		return nil, err
	}
	if c.State == Pending {
		if c, err = s.ask(ctx, c, opened, r.GetCardToken()); err != nil {
			return nil, err
		}
	}
	s.logger.InfoContext(ctx, "charge", "order_id", c.OrderID, "state", string(c.State),
		"charge_id", c.ChargeID, "decline_code", c.DeclineCode)
	switch c.State {
	case Charged:
		return &paymentv1.ChargeResponse{ChargeId: c.ChargeID}, nil
	case Declined:
		return nil, platform.RPCError(codes.FailedPrecondition, platform.ReasonCardDeclined,
			"card declined: "+c.DeclineCode, map[string]string{"decline_code": c.DeclineCode})
	default:
		return nil, platform.RPCError(codes.FailedPrecondition, platform.ReasonChargeVoided, "the charge was refunded before", nil)
	}
}

// ask has the provider charge the card, and writes its answer down. If there is
// none it asks once what has come of it, if there is time. If the provider was
// never asked, because this is the first attempt and the breaker is open, there
// is no charge and never will be: giving it back needs no provider.
func (s *Server) ask(ctx context.Context, c Charge, first bool, cardToken string) (Charge, error) {
	id, err := s.psp.charge(ctx, c.OrderID, psp.ChargeRequest{Amount: c.Amount, Currency: c.Currency, CardToken: cardToken})
	var refusal *declinedError
	switch {
	case err == nil:
		c.State, c.ChargeID = Charged, id
	case errors.As(err, &refusal):
		c.State, c.DeclineCode = Declined, refusal.code
	case errors.Is(err, errVoided):
		c.State = Voided
	case first && errors.Is(err, errOpen):
		c.State = Voided
		if _, err := s.settle(ctx, c); err != nil {
			return c, err
		}
		// To call again at once is of no use, and gRPC's clients obey (its
		// proposal A6). The error is that of a direct call, not of a server's.
		_ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", "-1"))
		return c, platform.RPCError(codes.Unavailable, platform.ReasonPSPUnavailable, "the payment provider is left alone for a while", nil)
	default:
		s.logger.WarnContext(ctx, "psp did not answer, the charge's outcome is unknown", "order_id", c.OrderID, "error", err)
		if found, err := s.findOut(ctx, c); err == nil {
			return found, nil
		}
		return c, platform.RPCError(codes.Unavailable, platform.ReasonPSPUnavailable, "the payment provider did not answer", nil)
	}
	return s.settle(ctx, c)
}

// settle writes down what has become of a pending charge.
func (s *Server) settle(ctx context.Context, c Charge) (Charge, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	return s.store.Settle(ctx, Pending, c, time.Now())
}

// Refund implements PaymentService.
func (s *Server) Refund(ctx context.Context, r *paymentv1.RefundRequest) (*paymentv1.RefundResponse, error) {
	if r.GetOrderId() == "" {
		return nil, platform.RPCError(codes.InvalidArgument, platform.ReasonInvalid, "order_id is required", nil)
	}
	c, err := s.store.OpenRefund(ctx, r.GetOrderId(), time.Now())
	if err != nil {
		return nil, err
	}
	if c.State == Refunding {
		if c, err = s.giveBack(ctx, c); err != nil {
			return nil, err
		}
	}
	s.logger.InfoContext(ctx, "refund", "order_id", c.OrderID, "state", string(c.State))
	return &paymentv1.RefundResponse{}, nil
}

// giveBack has the provider give back the money of a charge that is being
// refunded, and writes it down.
func (s *Server) giveBack(ctx context.Context, c Charge) (Charge, error) {
	if err := s.psp.refund(ctx, c.OrderID); err != nil {
		s.logger.WarnContext(ctx, "psp did not confirm the refund", "order_id", c.OrderID, "error", err)
		return c, platform.RPCError(codes.Unavailable, platform.ReasonPSPUnavailable, "the payment provider did not answer", nil)
	}
	c.State = Refunded
	return s.store.Settle(ctx, Refunding, c, time.Now())
}
