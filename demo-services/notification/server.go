// Package notification tells customers what became of their orders, when the
// events arrive and without anybody waiting for it.
package notification

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
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
	store *Store
	// queued is called when there is something new in the store's queue.
	queued func()
}

// NewServer returns a server on the store. It calls queued when a message is to be
// sent.
func NewServer(store *Store, queued func()) *Server {
	return &Server{store: store, queued: queued}
}

// ListMessages implements NotificationService.
func (s *Server) ListMessages(ctx context.Context, r *notificationv1.ListMessagesRequest) (*notificationv1.ListMessagesResponse, error) {
	if r.GetOrderId() == "" || !printable(r.GetOrderId()) {
		return nil, platform.RPCError(codes.InvalidArgument, platform.ReasonInvalid, "order_id is required, without control characters", nil)
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

// Handle has the message for one event sent, once however often the event comes.
// An event that can't be understood is a platform.ErrPoison.
func (s *Server) Handle(ctx context.Context, e platform.Event) error {
	m, err := compose(e)
	if err != nil {
		return err
	}
	m.QueuedAt, m.Traceparent = time.Now(), platform.Traceparent(ctx)
	queued, err := s.store.Queue(ctx, m)
	if queued {
		s.queued()
	}
	return err
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
	if address, err := mail.ParseAddress(data.Email); err != nil || address.Address != data.Email || !printable(data.Email+data.OrderID) {
		return Message{}, errors.Join(platform.ErrPoison, errors.New("event's address or order has a form that no mail may have"))
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
