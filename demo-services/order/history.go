package order

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// userCreated is what this service needs of a user.created event's data. It
// knows nothing of the user service's code.
type userCreated struct {
	UserID string `json:"user_id"`
}

// Histories are what the shop knows of its customers. Safe for concurrent use.
type Histories struct{ db *platform.DB }

// NewHistories returns the histories in an opened database.
func NewHistories(db *platform.DB) *Histories { return &Histories{db: db} }

// Handle opens the history of a customer who has come, once however often the
// event comes. An event that can't be understood is a platform.ErrPoison.
func (h *Histories) Handle(ctx context.Context, e platform.Event) error {
	var data userCreated
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return errors.Join(platform.ErrPoison, fmt.Errorf("decode event data: %w", err))
	}
	if e.Type != platform.EventUserCreated || data.UserID == "" {
		return errors.Join(platform.ErrPoison, fmt.Errorf("event of type %q has no user", e.Type))
	}
	_, err := h.db.Exec(ctx, "INSERT INTO histories (user_id, opened_at) VALUES (?, ?) ON CONFLICT (user_id) DO NOTHING",
		data.UserID, e.Time.UnixMilli())
	return err
}

// OpenedAt is when the customer came, or sql.ErrNoRows.
func (h *Histories) OpenedAt(ctx context.Context, userID string) (time.Time, error) {
	var at int64
	err := h.db.QueryRow(ctx, []any{&at}, "SELECT opened_at FROM histories WHERE user_id = ?", userID)
	return time.UnixMilli(at).UTC(), err
}

// HistoryAccounts reads since when there is a history of each customer, by their
// ids, for an audit.
func HistoryAccounts(ctx context.Context, on *platform.Conn) (map[string]time.Time, error) {
	opened := map[string]time.Time{}
	err := on.Query(ctx, func(scan platform.Scan) error {
		var id string
		var at int64
		err := scan(&id, &at)
		opened[id] = time.UnixMilli(at).UTC()
		return err
	}, "SELECT user_id, opened_at FROM histories")
	return opened, err
}

// GetHistory implements OrderService.
func (s *Server) GetHistory(ctx context.Context, r *orderv1.GetHistoryRequest) (*orderv1.GetHistoryResponse, error) {
	if !legible(r.GetUserId()) {
		return nil, unknownCustomer()
	}
	answer := &orderv1.GetHistoryResponse{UserId: r.GetUserId()}
	opened, err := s.histories.OpenedAt(ctx, r.GetUserId())
	switch {
	case err == nil:
		answer.OpenedAt = timestamppb.New(opened)
	case !errors.Is(err, sql.ErrNoRows):
		return nil, err
	}
	statistics, err := s.views.StatisticsOf(ctx, r.GetUserId())
	if err != nil {
		return nil, err
	}
	if answer.GetOpenedAt() == nil && len(statistics) == 0 {
		return nil, unknownCustomer()
	}
	answer.Statistics = statisticMessages(statistics)
	return answer, nil
}

func unknownCustomer() error {
	return platform.RPCError(codes.NotFound, platform.ReasonUnknownUser, "nothing is known of this customer", nil)
}
