package order

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// How many orders are listed.
const (
	defaultLimit = 50
	maxLimit     = 200
)

// GetOrder implements OrderService.
func (s *Server) GetOrder(ctx context.Context, r *orderv1.GetOrderRequest) (*orderv1.GetOrderResponse, error) {
	o, err := Order{}, ErrUnknown
	if legible(r.GetOrderId()) {
		o, err = s.views.Find(ctx, r.GetOrderId())
	}
	if errors.Is(err, ErrUnknown) {
		return nil, unknownOrder()
	}
	if err != nil {
		return nil, err
	}
	shown, err := s.shown(ctx, o)
	if err != nil {
		return nil, err
	}
	return &orderv1.GetOrderResponse{Order: shown[0]}, nil
}

// shown are orders as the API shows them, with which of them are parked. That is
// not in the read model, because nothing happens to an order by it; only what is
// cancelling can be, so that most lists take no second question.
func (s *Server) shown(ctx context.Context, orders ...Order) ([]*orderv1.Order, error) {
	var cancelling []string
	for _, o := range orders {
		if o.Step == Cancelling {
			cancelling = append(cancelling, o.ID)
		}
	}
	parked, err := s.store.Parked(ctx, cancelling...)
	if err != nil {
		return nil, err
	}
	messages := make([]*orderv1.Order, len(orders))
	for i, o := range orders {
		messages[i] = o.message()
		messages[i].Parked = parked[o.ID]
	}
	return messages, nil
}

// ListOrders implements OrderService.
func (s *Server) ListOrders(ctx context.Context, r *orderv1.ListOrdersRequest) (*orderv1.ListOrdersResponse, error) {
	if _, known := orderv1.Status_name[int32(r.GetStatus())]; !known || r.GetLimit() < 0 || r.GetLimit() > maxLimit || !legible(r.GetUserId()) {
		return nil, platform.RPCError(codes.InvalidArgument, platform.ReasonInvalid,
			"status must be known, limit 0 to 200, and user_id without control characters", nil)
	}
	f := Filter{
		UserID: r.GetUserId(), Status: r.GetStatus(), From: moment(r.GetFrom()), To: moment(r.GetTo()), Limit: int(r.GetLimit()),
	}
	if f.Limit == 0 {
		f.Limit = defaultLimit
	}
	orders, err := s.views.List(ctx, f)
	if err != nil {
		return nil, err
	}
	shown, err := s.shown(ctx, orders...)
	if err != nil {
		return nil, err
	}
	return &orderv1.ListOrdersResponse{Orders: shown}, nil
}

// moment is the time, or no time at all if it is missing.
func moment(at *timestamppb.Timestamp) time.Time {
	if at == nil {
		return time.Time{}
	}
	return at.AsTime()
}

// GetStatistics implements OrderService.
func (s *Server) GetStatistics(ctx context.Context, _ *orderv1.GetStatisticsRequest) (*orderv1.GetStatisticsResponse, error) {
	statistics, err := s.views.Statistics(ctx)
	if err != nil {
		return nil, err
	}
	return &orderv1.GetStatisticsResponse{Statistics: statisticMessages(statistics)}, nil
}

func statisticMessages(statistics []Statistic) []*orderv1.Statistic {
	var messages []*orderv1.Statistic
	for _, one := range statistics {
		messages = append(messages, &orderv1.Statistic{
			Status: one.Status, Currency: one.Currency, Orders: one.Orders, Amount: one.Amount,
		})
	}
	return messages
}

// RebuildReadModel implements OrderService.
func (s *Server) RebuildReadModel(ctx context.Context, _ *orderv1.RebuildReadModelRequest) (*orderv1.RebuildReadModelResponse, error) {
	orders, err := s.projector.Rebuild(ctx)
	if err != nil {
		return nil, err
	}
	return &orderv1.RebuildReadModelResponse{Orders: orders}, nil
}

// statusText is a status as people read it: "confirmed".
func statusText(status orderv1.Status) string {
	return strings.ToLower(strings.TrimPrefix(status.String(), "STATUS_"))
}
