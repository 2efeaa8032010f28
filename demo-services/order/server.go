// Package order takes orders and brings each to its end by a saga: reserve
// stock, take payment, confirm; or give everything back. What became of an
// order goes to the bus through an outbox.
//
// An order is the sum of its events. Commands append to them, and find out when
// somebody else was quicker; a projector makes views of them, which answer
// queries.
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
	store     *Store
	saga      *Saga
	views     *Views
	histories *Histories
	projector *Projector
}

// NewServer returns a server whose commands go to the store and the saga, and
// whose queries are answered by the views that the projector makes.
func NewServer(store *Store, saga *Saga, projector *Projector) *Server {
	return &Server{store: store, saga: saga, views: NewViews(store.db), histories: NewHistories(store.db), projector: projector}
}

// CreateOrder implements OrderService.
func (s *Server) CreateOrder(ctx context.Context, r *orderv1.CreateOrderRequest) (*orderv1.CreateOrderResponse, error) {
	placed, err := ordered(r)
	if err != nil {
		return nil, err
	}
	o := Order{ID: platform.NewID("ord"), CardToken: r.GetCardToken(), Headers: s.saga.headers(ctx)}
	if err := s.store.Place(ctx, &o, placed, s.saga.config.Lease); err != nil {
		return nil, err
	}
	o, err = s.saga.Run(ctx, o, "place order")
	if errors.Is(err, ErrMoved) { // The customer has cancelled it meanwhile, or somebody else drives it.
		o, err = s.store.Find(context.WithoutCancel(ctx), o.ID)
	}
	if err != nil {
		return nil, err
	}
	if o.Step != Confirmed {
		return nil, rpcError(o)
	}
	return &orderv1.CreateOrderResponse{Order: o.message()}, nil
}

// ordered reads what the customer wants.
func ordered(r *orderv1.CreateOrderRequest) (Placed, error) {
	if r.GetUserId() == "" || r.GetCurrency() == "" || r.GetCardToken() == "" || len(r.GetLines()) == 0 || r.GetExpectedAmount() < 0 {
		return Placed{}, platform.RPCError(codes.InvalidArgument, platform.ReasonInvalid,
			"user_id, currency, card_token and lines are required, and expected_amount must not be negative", nil)
	}
	if !legible(r.GetUserId(), r.GetEmail(), r.GetCurrency(), r.GetCardToken()) {
		return Placed{}, platform.RPCError(codes.InvalidArgument, platform.ReasonInvalid,
			"user_id, email, currency and card_token must have no control characters", nil)
	}
	placed := Placed{
		UserID: r.GetUserId(), Email: r.GetEmail(), Currency: r.GetCurrency(), ExpectedAmount: r.GetExpectedAmount(),
	}
	for _, line := range r.GetLines() {
		if line.GetItemId() == "" || !legible(line.GetItemId()) || line.GetQuantity() <= 0 || line.GetQuantity() > maxQuantity {
			return Placed{}, platform.RPCError(codes.InvalidArgument, platform.ReasonInvalid,
				"each line needs an item, without control characters, and a positive quantity of at most a million", nil)
		}
		placed.Lines = append(placed.Lines, Line{ItemID: line.GetItemId(), Quantity: line.GetQuantity()})
	}
	return placed, nil
}
