// Package inventory keeps the stock and sets it aside for orders.
package inventory

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	"github.com/waybill-dev/waybill/demo-services/fault"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// Server implements InventoryService. Safe for concurrent use.
type Server struct {
	inventoryv1.UnimplementedInventoryServiceServer
	store  *Store
	faults *fault.Flags
	logger *slog.Logger
}

// NewServer returns a server on the store.
func NewServer(store *Store, logger *slog.Logger) *Server {
	return &Server{store: store, logger: logger}
}

// Reserve implements InventoryService.
func (s *Server) Reserve(ctx context.Context, r *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
	lines, err := wanted(r)
	if err != nil {
		return nil, err
	}
	if s.faults.On(ctx, fault.StockGone) {
		return nil, platform.RPCError(codes.FailedPrecondition, platform.ReasonOutOfStock, ErrOutOfStock.Error(), nil)
	}
	reserved, err := s.store.Reserve(ctx, r.GetOrderId(), lines, time.Now())
	switch {
	case errors.Is(err, ErrUnknownItem):
		return nil, platform.RPCError(codes.NotFound, platform.ReasonUnknownItem, err.Error(), nil)
	case errors.Is(err, ErrOutOfStock):
		return nil, platform.RPCError(codes.FailedPrecondition, platform.ReasonOutOfStock, err.Error(), nil)
	case errors.Is(err, ErrReleased):
		return nil, platform.RPCError(codes.FailedPrecondition, platform.ReasonReservationReleased, err.Error(), nil)
	case err != nil:
		return nil, err
	}
	s.logger.InfoContext(ctx, "stock reserved", "order_id", r.GetOrderId(), "lines", len(reserved.Lines))
	answer := &inventoryv1.ReserveResponse{}
	if !reserved.ExpiresAt.IsZero() {
		answer.ExpiresAt = timestamppb.New(reserved.ExpiresAt)
	}
	for _, line := range reserved.Lines {
		answer.Lines = append(answer.Lines, &inventoryv1.PricedLine{
			ItemId: line.ItemID, Name: line.Name, Quantity: line.Quantity, UnitPrice: line.UnitPrice,
		})
	}
	return answer, nil
}

func wanted(r *inventoryv1.ReserveRequest) ([]Line, error) {
	if r.GetOrderId() == "" || len(r.GetLines()) == 0 {
		return nil, platform.RPCError(codes.InvalidArgument, platform.ReasonInvalid, "order_id and lines are required", nil)
	}
	lines := make([]Line, len(r.GetLines()))
	for i, line := range r.GetLines() {
		if line.GetItemId() == "" || line.GetQuantity() <= 0 {
			return nil, platform.RPCError(codes.InvalidArgument, platform.ReasonInvalid, "each line needs an item and a positive quantity", nil)
		}
		lines[i] = Line{ItemID: line.GetItemId(), Quantity: line.GetQuantity()}
	}
	return lines, nil
}

// Confirm implements InventoryService.
func (s *Server) Confirm(ctx context.Context, r *inventoryv1.ConfirmRequest) (*inventoryv1.ConfirmResponse, error) {
	if r.GetOrderId() == "" {
		return nil, noOrder()
	}
	err := s.store.Confirm(ctx, r.GetOrderId())
	switch {
	case errors.Is(err, ErrExpired):
		return nil, platform.RPCError(codes.FailedPrecondition, platform.ReasonReservationExpired, err.Error(), nil)
	case errors.Is(err, ErrReleased):
		return nil, platform.RPCError(codes.FailedPrecondition, platform.ReasonReservationReleased, err.Error(), nil)
	case err != nil:
		return nil, err
	}
	s.logger.InfoContext(ctx, "stock confirmed", "order_id", r.GetOrderId())
	return &inventoryv1.ConfirmResponse{}, nil
}

func noOrder() error {
	return platform.RPCError(codes.InvalidArgument, platform.ReasonInvalid, "order_id is required", nil)
}

// Release implements InventoryService.
func (s *Server) Release(ctx context.Context, r *inventoryv1.ReleaseRequest) (*inventoryv1.ReleaseResponse, error) {
	if r.GetOrderId() == "" {
		return nil, noOrder()
	}
	if err := s.store.Release(ctx, r.GetOrderId(), time.Now()); err != nil {
		return nil, err
	}
	s.logger.InfoContext(ctx, "stock released", "order_id", r.GetOrderId())
	return &inventoryv1.ReleaseResponse{}, nil
}
