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
	m := o.message()
	if o.Step == Cancelling {
		if m.Parked, err = s.store.Parked(ctx, o.ID); err != nil {
			return nil, err
		}
	}
	return &orderv1.GetOrderResponse{Order: m}, nil
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
	answer := &orderv1.ListOrdersResponse{}
	for _, o := range orders {
		answer.Orders = append(answer.Orders, o.message())
	}
	return answer, nil
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
