package notification

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
)

// TestAMessageIsOnesAtATime claims messages as instances do, one of which dies after
// it has sent and before it has written that down: then the message is sent again,
// with the same Message-ID.
func TestAMessageIsOnesAtATime(t *testing.T) {
	store := NewStore(platformtest.OpenDB(t, t.TempDir(), Migrations))
	start := time.UnixMilli(1_000_000)
	queued, err := store.Queue(t.Context(), Message{EventID: "evt_1", OrderID: "ord_1", QueuedAt: start})
	if again, err := store.Queue(t.Context(), Message{EventID: "evt_1", OrderID: "ord_1", QueuedAt: start}); !queued || again || err != nil {
		t.Errorf("queued %v, again %v, %v", queued, again, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	claim := func(at time.Time) int {
		t.Helper()
		m, err := store.Claim(t.Context(), at, leaseTime)
		if err != nil && !nothingDue(err) {
			t.Fatal(err)
		}
		return m.Attempts
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{-time.Second, 0}, {0, 1}, {0, 0}, {leaseTime - time.Second, 0}, {leaseTime, 2}, {leaseTime + time.Second, 0}} {
		if got := claim(start.Add(step.after)); got != step.want {
			t.Errorf("after %s it is attempt %d, want %d", step.after, got, step.want)
		}
	}
	if err := store.Sent(t.Context(), "evt_1", start); err != nil {
		t.Fatal(err)
	}
	// Who was slow does not bring it back.
	if err := errors.Join(store.Postpone(t.Context(), "evt_1", "slow", start), store.Refuse(t.Context(), "evt_1", "slow")); err != nil {
		t.Fatal(err)
	}
	if got := claim(start.Add(time.Hour)); got != 0 {
		t.Errorf("what was sent is claimed again, attempt %d", got)
	}
}

// stubborn fails as it is told.
type stubborn struct {
	err   error
	calls atomic.Int64
}

func (s *stubborn) send(ctx context.Context, _ Message) error {
	s.calls.Add(1)
	if s.err == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	return s.err
}

// TestWhatIsNeverTakenIsGivenUp has a message that is a day old fail once more, and
// counts it.
func TestWhatIsNeverTakenIsGivenUp(t *testing.T) {
	db := platformtest.OpenDB(t, t.TempDir(), Migrations)
	store := NewStore(db)
	m := newMailer(store, &stubborn{err: &failure{"no", "450"}}, slog.New(slog.DiscardHandler))
	registry := prometheus.NewRegistry()
	if err := m.metrics.register(registry, db); err != nil {
		t.Fatal(err)
	}
	for id, age := range map[string]time.Duration{"evt_old": giveUp + time.Minute, "evt_new": time.Minute} {
		if _, err := store.Queue(t.Context(), Message{EventID: id, OrderID: "ord_1", QueuedAt: time.Now().Add(-age)}); err != nil {
			t.Fatal(err)
		}
		message, err := store.Claim(t.Context(), time.Now(), leaseTime)
		if err != nil {
			t.Fatal(err)
		}
		m.deliver(t.Context(), message)
	}
	const want = `
# HELP shop_mails_refused Messages that nobody tries to send any more: see to them.
# TYPE shop_mails_refused gauge
shop_mails_refused 1
# HELP shop_mails_waiting Messages that are not sent yet.
# TYPE shop_mails_waiting gauge
shop_mails_waiting 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "shop_mails_refused", "shop_mails_waiting"); err != nil {
		t.Error(err)
	}
	for _, outcome := range []string{outcomeRefused, outcomeLater} {
		if n := testutil.CollectAndCount(m.metrics.attempts.MustCurryWith(prometheus.Labels{"outcome": outcome})); n != 2 {
			t.Errorf("%s has %d series", outcome, n)
		}
	}
}

// TestTheEndCutsSendingOff ends a mailer whose server never answers: it returns, and
// the message is due at once.
func TestTheEndCutsSendingOff(t *testing.T) {
	store := NewStore(platformtest.OpenDB(t, t.TempDir(), Migrations))
	s := &stubborn{}
	m := newMailer(store, s, slog.New(slog.DiscardHandler))
	if _, err := store.Queue(t.Context(), Message{EventID: "evt_1", OrderID: "ord_1", QueuedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	eventually(t, "it is being sent", func() bool { return s.calls.Load() == 1 })
	cancel()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("the mailer does not end")
	}
	if again, err := store.Claim(t.Context(), time.Now(), leaseTime); err != nil || again.Attempts != 2 {
		t.Errorf("what was cut off: %+v, %v", again, err)
	}
}

func TestRetriesGetRarer(t *testing.T) {
	for attempts, most := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 11: lastRetry, 1000: lastRetry} {
		for range 100 {
			if got := retryAfter(attempts); got < most/2 || got > most {
				t.Fatalf("after %d attempts %s, want %s at most", attempts, got, most)
			}
		}
	}
}
