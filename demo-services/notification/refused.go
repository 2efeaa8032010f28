package notification

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	notificationv1 "github.com/waybill-dev/waybill/demo-services/api/notification/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// How many refused messages are listed.
const (
	defaultLimit = 50
	maxLimit     = 200
)

// Refused is a message that nobody tries to send any more, and how the last attempt
// has failed.
type Refused struct {
	Message
	Failure string
}

// Refused reads the messages that were given up, those that were queued first before
// others.
func (s *Store) Refused(ctx context.Context, limit int) ([]Refused, error) {
	var all []Refused
	err := s.db.Query(ctx, func(scan platform.Scan) error {
		var r Refused
		var queued int64
		err := scan(&r.EventID, &r.OrderID, &r.Recipient, &r.Subject, &queued, &r.Attempts, &r.Failure)
		r.QueuedAt = time.UnixMilli(queued)
		all = append(all, r)
		return err
	}, `SELECT event_id, order_id, recipient, subject, queued_at, attempts, failure
		FROM messages WHERE due_at IS NULL AND sent_at = 0 ORDER BY queued_at, event_id LIMIT ?`, limit)
	return all, err
}

// Resend has a message that was given up sent after all, as if it had been queued
// now; without an event's id all that there are. It says how many.
func (s *Store) Resend(ctx context.Context, eventID string, now time.Time) (int64, error) {
	which, args := "", []any{now.UnixMilli(), now.UnixMilli()}
	if eventID != "" {
		which, args = " AND event_id = ?", append(args, eventID)
	}
	return s.db.Exec(ctx, "UPDATE messages SET due_at = ?, queued_at = ?, attempts = 0 WHERE due_at IS NULL AND sent_at = 0"+which, args...)
}

// ListRefused implements NotificationService.
func (s *Server) ListRefused(ctx context.Context, r *notificationv1.ListRefusedRequest) (*notificationv1.ListRefusedResponse, error) {
	limit := int(r.GetLimit())
	if limit == 0 {
		limit = defaultLimit
	}
	if limit < 0 || limit > maxLimit {
		return nil, platform.RPCError(codes.InvalidArgument, platform.ReasonInvalid, "limit must be 0 to 200", nil)
	}
	all, err := s.store.Refused(ctx, limit)
	if err != nil {
		return nil, err
	}
	answer := &notificationv1.ListRefusedResponse{}
	for _, m := range all {
		answer.Messages = append(answer.Messages, &notificationv1.RefusedMessage{
			EventId: m.EventID, OrderId: m.OrderID, Recipient: m.Recipient, Subject: m.Subject,
			QueuedAt: timestamppb.New(m.QueuedAt), Attempts: int32(m.Attempts), Failure: m.Failure,
		})
	}
	return answer, nil
}

// ResendRefused implements NotificationService.
func (s *Server) ResendRefused(ctx context.Context, r *notificationv1.ResendRefusedRequest) (*notificationv1.ResendRefusedResponse, error) {
	id := r.GetEventId()
	if r.GetAll() == (id != "") || !printable(id) {
		return nil, platform.RPCError(codes.InvalidArgument, platform.ReasonInvalid,
			"either event_id, without control characters, or all is required", nil)
	}
	n, err := s.store.Resend(ctx, id, time.Now())
	switch {
	case err != nil:
		return nil, err
	case n == 0 && id != "":
		return nil, platform.RPCError(codes.NotFound, platform.ReasonUnknownMessage, "no such message is refused", nil)
	case n > 0:
		s.queued()
	}
	return &notificationv1.ResendRefusedResponse{Messages: n}, nil
}
