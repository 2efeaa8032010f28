// Package order takes orders and brings each to its end by a saga: reserve
// stock, take payment, confirm; or give everything back. What became of an
// order goes to the bus through an outbox.
package order

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// maxQuantity of one line keeps totals far from overflowing.
const maxQuantity = 1_000_000

// Server implements OrderService. Safe for concurrent use.
type Server struct {
	orderv1.UnimplementedOrderServiceServer
	store *Store
	saga  *Saga
}

// NewServer returns a server on the store and the saga.
func NewServer(store *Store, saga *Saga) *Server { return &Server{store: store, saga: saga} }

// CreateOrder implements OrderService.
func (s *Server) CreateOrder(ctx context.Context, r *orderv1.CreateOrderRequest) (*orderv1.CreateOrderResponse, error) {
	o, err := ordered(r)
	if err != nil {
		return nil, err
	}
	o.Headers = s.saga.headers(ctx)
	if err := s.store.Create(ctx, &o, s.saga.config.Lease); err != nil {
		return nil, err
	}
	if o, err = s.saga.Run(ctx, o, "place order"); err != nil {
		return nil, err
	}
	if o.Step != Confirmed {
		return nil, rpcError(o)
	}
	return &orderv1.CreateOrderResponse{Order: o.message()}, nil
}

// ordered reads the request into a new order.
func ordered(r *orderv1.CreateOrderRequest) (Order, error) {
	if r.GetUserId() == "" || r.GetCurrency() == "" || r.GetCardToken() == "" || len(r.GetLines()) == 0 || r.GetExpectedAmount() < 0 {
		return Order{}, platform.RPCError(codes.InvalidArgument, platform.ReasonInvalid,
			"user_id, currency, card_token and lines are required, and expected_amount must not be negative", nil)
	}
	o := Order{
		ID: platform.NewID("ord"), UserID: r.GetUserId(), Email: r.GetEmail(), Currency: r.GetCurrency(),
		CardToken: r.GetCardToken(), ExpectedAmount: r.GetExpectedAmount(),
	}
	for _, line := range r.GetLines() {
		if line.GetItemId() == "" || line.GetQuantity() <= 0 || line.GetQuantity() > maxQuantity {
			return Order{}, platform.RPCError(codes.InvalidArgument, platform.ReasonInvalid,
				"each line needs an item and a positive quantity of at most a million", nil)
		}
		o.Lines = append(o.Lines, Line{ItemID: line.GetItemId(), Quantity: line.GetQuantity()})
	}
	return o, nil
}

// GetOrder implements OrderService.
func (s *Server) GetOrder(ctx context.Context, r *orderv1.GetOrderRequest) (*orderv1.GetOrderResponse, error) {
	o, err := s.store.Find(ctx, r.GetOrderId())
	if errors.Is(err, ErrUnknown) {
		return nil, platform.RPCError(codes.NotFound, platform.ReasonUnknownOrder, "unknown order", nil)
	}
	if err != nil {
		return nil, err
	}
	return &orderv1.GetOrderResponse{Order: o.message()}, nil
}
