package order

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// ListSagas implements OrderService.
func (s *Server) ListSagas(ctx context.Context, r *orderv1.ListSagasRequest) (*orderv1.ListSagasResponse, error) {
	if r.GetLimit() < 0 || r.GetLimit() > maxLimit {
		return nil, platform.RPCError(codes.InvalidArgument, platform.ReasonInvalid, "limit must be 0 to 200", nil)
	}
	limit := int(r.GetLimit())
	if limit == 0 {
		limit = defaultLimit
	}
	sagas, err := s.store.Sagas(ctx, r.GetParked(), limit)
	if err != nil {
		return nil, err
	}
	answer := &orderv1.ListSagasResponse{}
	for _, saga := range sagas {
		answer.Sagas = append(answer.Sagas, saga.message())
	}
	return answer, nil
}

// message is the saga as the API shows it.
func (s SagaState) message() *orderv1.Saga {
	m := &orderv1.Saga{
		OrderId: s.Order.ID, Step: string(s.Order.Step), Reason: s.Order.Reason,
		Attempts: int32(s.Order.Attempts), Failures: int32(s.Order.Failures), LastError: s.LastError,
		CreatedAt: timestamppb.New(s.Order.CreatedAt),
	}
	if s.ParkedAt.IsZero() {
		m.DueAt = timestamppb.New(s.DueAt)
	} else {
		m.ParkedAt = timestamppb.New(s.ParkedAt)
	}
	return m
}

// ResumeSaga implements OrderService.
func (s *Server) ResumeSaga(ctx context.Context, r *orderv1.ResumeSagaRequest) (*orderv1.ResumeSagaResponse, error) {
	err := ErrUnknown
	if legible(r.GetOrderId()) {
		err = s.store.Release(ctx, r.GetOrderId())
	}
	if errors.Is(err, ErrUnknown) {
		return nil, platform.RPCError(codes.NotFound, platform.ReasonUnknownOrder, "the order has no saga under way", nil)
	}
	if err != nil {
		return nil, err
	}
	s.saga.logger.InfoContext(ctx, "saga is to go on", "order_id", r.GetOrderId())
	return &orderv1.ResumeSagaResponse{}, nil
}
