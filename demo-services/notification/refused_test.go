package notification

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	notificationv1 "github.com/waybill-dev/waybill/demo-services/api/notification/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
)

// moody refuses for good until its mood changes.
type moody struct{ kind atomic.Bool }

func (s *moody) send(context.Context, Message) error {
	if s.kind.Load() {
		return nil
	}
	return &refusal{failure{"mail server refuses the recipient: 550 5.1.1", "550"}}
}

// TestRefusedMessagesAreSentAfterAll has messages refused, one of which is sent when
// somebody asks for it, and the others when somebody asks for all.
func TestRefusedMessagesAreSentAfterAll(t *testing.T) {
	store := NewStore(platformtest.OpenDB(t, t.TempDir(), Migrations))
	post := &moody{}
	mailer := newMailer(store, post, slog.New(slog.DiscardHandler))
	s := NewServer(store, mailer.Wake)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); mailer.Run(ctx) }()
	defer func() { stop(); <-done }()
	// The last was queued so long ago that it would be given up again.
	for i, id := range []string{"evt_3", "evt_2", "evt_1"} {
		m := Message{EventID: id, OrderID: "ord_1", Recipient: "ada@example.com", Subject: "Your order", QueuedAt: time.Now().Add(-time.Duration(i) * giveUp)}
		if _, err := store.Queue(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(limit int32) []*notificationv1.RefusedMessage {
		t.Helper()
		answer, err := s.ListRefused(t.Context(), &notificationv1.ListRefusedRequest{Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		return answer.GetMessages()
	}
	eventually(t, "all are refused", func() bool { return len(refused(0)) == 3 })
	first := refused(1)
	if len(first) != 1 || first[0].GetEventId() != "evt_1" || first[0].GetOrderId() != "ord_1" || first[0].GetRecipient() != "ada@example.com" ||
		first[0].GetAttempts() != 1 || first[0].GetFailure() != "mail server refuses the recipient: 550 5.1.1" {
		t.Errorf("the first is %v", first)
	}
	resend := func(r *notificationv1.ResendRefusedRequest, want int64) {
		t.Helper()
		if answer, err := s.ResendRefused(t.Context(), r); err != nil || answer.GetMessages() != want {
			t.Errorf("%v: %v, %v", r, answer, err)
		}
	}
	post.kind.Store(true)
	resend(&notificationv1.ResendRefusedRequest{EventId: "evt_1"}, 1)
	if got := s.sent(t, 1); got[0].EventID != "evt_1" || got[0].Attempts != 1 || time.Since(got[0].QueuedAt) > time.Minute {
		t.Errorf("%+v was sent", got)
	}
	resend(&notificationv1.ResendRefusedRequest{All: true}, 2)
	if got := s.sent(t, 3); len(got) != 3 {
		t.Errorf("%d were sent", len(got))
	}
	resend(&notificationv1.ResendRefusedRequest{All: true}, 0)
	if got := refused(0); len(got) != 0 {
		t.Errorf("%v is still refused", got)
	}
	for _, c := range []struct {
		request *notificationv1.ResendRefusedRequest
		code    codes.Code
		reason  string
	}{
		{&notificationv1.ResendRefusedRequest{EventId: "evt_1"}, codes.NotFound, platform.ReasonUnknownMessage}, // It was sent.
		{&notificationv1.ResendRefusedRequest{EventId: "evt_9"}, codes.NotFound, platform.ReasonUnknownMessage},
		{&notificationv1.ResendRefusedRequest{EventId: "evt\x00"}, codes.InvalidArgument, platform.ReasonInvalid},
		{&notificationv1.ResendRefusedRequest{EventId: "evt_1", All: true}, codes.InvalidArgument, platform.ReasonInvalid},
		{&notificationv1.ResendRefusedRequest{}, codes.InvalidArgument, platform.ReasonInvalid},
	} {
		_, err := s.ResendRefused(t.Context(), c.request)
		if reason, _ := platform.ReasonOf(err); status.Code(err) != c.code || reason != c.reason {
			t.Errorf("%v: %v, want %v", c.request, err, c.code)
		}
	}
	if _, err := s.ListRefused(t.Context(), &notificationv1.ListRefusedRequest{Limit: 201}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("201 of them: %v", err)
	}
}
