// Package notification tells customers what became of their orders, when the
// events arrive and without anybody waiting for it.
package notification

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	notificationv1 "github.com/waybill-dev/waybill/demo-services/api/notification/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// Server implements NotificationService and handles the order events. Safe for
// concurrent use.
type Server struct {
	notificationv1.UnimplementedNotificationServiceServer
	store  *Store
	mail   platform.Delay
	logger *slog.Logger
}

// NewServer returns a server on the store; mail is what sending one message takes.
func NewServer(store *Store, mail platform.Delay, logger *slog.Logger) *Server {
	return &Server{store: store, mail: mail, logger: logger}
}

// ListMessages implements NotificationService.
func (s *Server) ListMessages(ctx context.Context, r *notificationv1.ListMessagesRequest) (*notificationv1.ListMessagesResponse, error) {
	if r.GetOrderId() == "" {
		return nil, platform.RPCError(codes.InvalidArgument, platform.ReasonInvalid, "order_id is required", nil)
	}
	messages, err := s.store.OfOrder(ctx, r.GetOrderId())
	if err != nil {
		return nil, err
	}
	answer := &notificationv1.ListMessagesResponse{}
	for _, m := range messages {
		answer.Messages = append(answer.Messages, &notificationv1.Message{
			EventId: m.EventID, OrderId: m.OrderID, Recipient: m.Recipient, Subject: m.Subject, SentAt: timestamppb.New(m.SentAt),
		})
	}
	return answer, nil
}

// orderData is what this service needs of an order event's data. It reads the
// events as they are on the bus and knows nothing of the order service's code.
type orderData struct {
	OrderID  string `json:"order_id"`
	Email    string `json:"email"`
	Currency string `json:"currency"`
	Amount   int64  `json:"amount"`
	Reason   string `json:"reason"`
}

// Handle sends the message for one event, once however often the event comes.
// An event that can't be understood is a platform.ErrPoison.
func (s *Server) Handle(ctx context.Context, e platform.Event) error {
	m, err := compose(e)
	if err != nil {
		return err
	}
	sent, err := s.store.Sent(ctx, e.ID)
	if err != nil || sent {
		return err
	}
	if err := s.mail.Wait(ctx); err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	m.SentAt = time.Now()
	if err := s.store.Add(ctx, m); err != nil {
		return err
	}
	s.logger.InfoContext(ctx, "message sent", "order_id", m.OrderID, "event_id", m.EventID, "event_type", e.Type)
	return nil
}

// compose writes the message for an event.
func compose(e platform.Event) (Message, error) {
	var data orderData
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return Message{}, errors.Join(platform.ErrPoison, fmt.Errorf("decode event data: %w", err))
	}
	if data.OrderID == "" || data.Email == "" {
		return Message{}, errors.Join(platform.ErrPoison, errors.New("event has no order or no address"))
	}
	m := Message{EventID: e.ID, OrderID: data.OrderID, Recipient: data.Email}
	switch {
	case e.Type == platform.EventOrderConfirmed:
		m.Subject = "Your order " + data.OrderID + " is confirmed"
		m.Body = fmt.Sprintf("Thank you. We have charged your card with %d.%02d %s.", data.Amount/100, data.Amount%100, data.Currency)
	case e.Type == platform.EventOrderCancelled && data.Reason == platform.ReasonCancelledByCustomer:
		m.Subject = "Your order " + data.OrderID + " is cancelled"
		m.Body = fmt.Sprintf("As you have asked. If we had charged your card, we have given back %d.%02d %s.", data.Amount/100, data.Amount%100, data.Currency)
	case e.Type == platform.EventOrderCancelled:
		m.Subject = "Your order " + data.OrderID + " is cancelled"
		m.Body = "We could not complete your order (" + data.Reason + "). Your card was not charged."
	default:
		return Message{}, errors.Join(platform.ErrPoison, errors.New("unknown event type "+e.Type))
	}
	return m, nil
}
