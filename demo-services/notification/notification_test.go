package notification

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	notificationv1 "github.com/waybill-dev/waybill/demo-services/api/notification/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
)

// newServer has its messages put into its own outbox until the test ends.
func newServer(t *testing.T) *Server {
	t.Helper()
	store := NewStore(platformtest.OpenDB(t, t.TempDir(), Migrations))
	mailer := newMailer(store, ownOutbox{}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		mailer.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return NewServer(store, mailer.Wake)
}

// sent waits for the messages about the order that were sent, of which there are n.
func (s *Server) sent(t *testing.T, n int) (got []Message) {
	t.Helper()
	eventually(t, "the messages are sent", func() bool {
		var err error
		if got, err = s.store.OfOrder(t.Context(), "ord_1"); err != nil {
			t.Fatal(err)
		}
		return len(got) >= n
	})
	return got
}

func event(id, eventType, data string) platform.Event {
	return platform.Event{ID: id, Type: eventType, Version: 1, Data: json.RawMessage(data)}
}

const (
	confirmed = `{"order_id":"ord_1","user_id":"usr_ada","email":"ada@example.com","currency":"EUR","amount":1205}`
	cancelled = `{"order_id":"ord_1","email":"ada@example.com","currency":"EUR","reason":"CARD_DECLINED"}`
	regretted = `{"order_id":"ord_1","email":"ada@example.com","currency":"EUR","amount":1205,"reason":"CANCELLED_BY_CUSTOMER"}`
)

func TestOneMessageForEachEvent(t *testing.T) {
	s := newServer(t)
	for range 2 { // The bus delivers at least once.
		for _, e := range []platform.Event{
			event("evt_1", "order.confirmed", confirmed), event("evt_2", "order.cancelled", cancelled),
			event("evt_3", "order.cancelled", regretted),
		} {
			if err := s.Handle(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := s.sent(t, 3)
	slices.SortFunc(got, func(a, b Message) int { return strings.Compare(a.EventID, b.EventID) })
	for i := range got {
		if time.Since(got[i].QueuedAt) > time.Minute || got[i].SentAt.Before(got[i].QueuedAt) {
			t.Errorf("%s was queued at %v and sent at %v", got[i].EventID, got[i].QueuedAt, got[i].SentAt)
		}
		got[i].QueuedAt, got[i].SentAt = time.Time{}, time.Time{}
	}
	want := []Message{
		{
			EventID: "evt_1", OrderID: "ord_1", Recipient: "ada@example.com", Subject: "Your order ord_1 is confirmed",
			Attempts: 1, Body: "Thank you. We have charged your card with 12.05 EUR.",
		},
		{
			EventID: "evt_2", OrderID: "ord_1", Recipient: "ada@example.com", Subject: "Your order ord_1 is cancelled",
			Attempts: 1, Body: "We could not complete your order (CARD_DECLINED). Your card was not charged.",
		},
		{
			EventID: "evt_3", OrderID: "ord_1", Recipient: "ada@example.com", Subject: "Your order ord_1 is cancelled",
			Attempts: 1, Body: "As you have asked. If we had charged your card, we have given back 12.05 EUR.",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestEventsThatNobodyUnderstandsArePoison(t *testing.T) {
	s := newServer(t)
	for name, e := range map[string]platform.Event{
		"unknown type":         event("evt_1", "order.eaten", confirmed),
		"no order":             event("evt_1", "order.confirmed", `{"email":"ada@example.com"}`),
		"no address":           event("evt_1", "order.confirmed", `{"order_id":"ord_1"}`),
		"no mail address":      event("evt_1", "order.confirmed", `{"order_id":"ord_1","email":"ada"}`),
		"two addresses":        event("evt_1", "order.confirmed", `{"order_id":"ord_1","email":"ada@example.com, eve@example.com"}`),
		"address of two lines": event("evt_1", "order.confirmed", `{"order_id":"ord_1","email":"\"a\\r\\nBcc: eve\"@example.com"}`),
		"order of two lines":   event("evt_1", "order.confirmed", `{"order_id":"ord_1\nBcc: eve@example.com","email":"ada@example.com"}`),
		"other data":           event("evt_1", "order.confirmed", `{"order_id":7}`),
		"no data":              event("evt_1", "order.confirmed", ``),
	} {
		if err := s.Handle(t.Context(), e); !errors.Is(err, platform.ErrPoison) {
			t.Errorf("%s: %v, want ErrPoison", name, err)
		}
	}
}

func TestListMessages(t *testing.T) {
	s := newServer(t)
	if err := s.Handle(t.Context(), event("evt_1", "order.confirmed", confirmed)); err != nil {
		t.Fatal(err)
	}
	s.sent(t, 1)
	answer, err := s.ListMessages(t.Context(), &notificationv1.ListMessagesRequest{OrderId: "ord_1"})
	if err != nil {
		t.Fatal(err)
	}
	if m := answer.GetMessages(); len(m) != 1 || m[0].GetEventId() != "evt_1" || m[0].GetRecipient() != "ada@example.com" {
		t.Errorf("messages: %v", m)
	}
	if answer, err := s.ListMessages(t.Context(), &notificationv1.ListMessagesRequest{OrderId: "ord_2"}); err != nil || len(answer.GetMessages()) != 0 {
		t.Errorf("of an unknown order: %v, %v", answer, err)
	}
	for _, id := range []string{"", "ord_1\x00"} { // A NUL can't be looked for in PostgreSQL.
		if _, err := s.ListMessages(t.Context(), &notificationv1.ListMessagesRequest{OrderId: id}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("of order %q: %v", id, err)
		}
	}
}
