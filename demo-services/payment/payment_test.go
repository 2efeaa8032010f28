package payment

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	paymentv1 "github.com/waybill-dev/waybill/demo-services/api/payment/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

// shop is a payment service and the provider it talks to.
type shop struct {
	*Server
	provider *psp.Store
	url      string // of the provider
	// down makes the provider's answers go missing: 1 before it has done
	// anything, 2 after it has done its work, 3 only those to charges, after.
	down atomic.Int32
	// asked counts the requests that reach the provider.
	asked atomic.Int32
}

func newShop(t *testing.T) *shop {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	s := &shop{provider: psp.NewStore(platformtest.OpenDB(t, t.TempDir(), psp.Migrations))}
	handler := psp.NewServer(s.provider, platform.Delays{}, quiet).Handler()
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		down := s.down.Load()
		if down == 3 && r.Method == http.MethodGet {
			down = 0
		}
		switch down {
		case 1:
			panic(http.ErrAbortHandler)
		case 2, 3:
			handler.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(listener.Close)
	db := platformtest.OpenDB(t, t.TempDir(), Migrations)
	store := NewStore(db, platform.NewOutbox(db, propagation.TraceContext{}))
	s.Server = NewServer(store, nil, quiet)
	s.url = listener.URL
	s.reach(t, BreakerConfig{})
	return s
}

// reach has the provider called through a new breaker.
func (s *shop) reach(t *testing.T, breaker BreakerConfig) {
	t.Helper()
	cfg := Config{PSPURL: s.url, PSPTimeout: 5 * time.Second, Breaker: breaker}
	provider, err := NewProvider(cfg, platformtest.Telemetry(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = provider.Close() })
	s.psp = provider
}

func (s *shop) charge(ctx context.Context, order, token string) (code codes.Code, reason string) {
	_, err := s.Charge(ctx, &paymentv1.ChargeRequest{
		OrderId: order, Total: &paymentv1.Money{Amount: 1200, Currency: "EUR"}, CardToken: token,
	})
	reason, _ = platform.ReasonOf(err)
	return status.Code(err), reason
}

func (s *shop) refund(ctx context.Context, order string) codes.Code {
	_, err := s.Refund(ctx, &paymentv1.RefundRequest{OrderId: order})
	return status.Code(err)
}

func (s *shop) wantStates(t *testing.T, order string, ours State, theirs psp.State) {
	t.Helper()
	c, err := s.store.Find(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.provider.Find(t.Context(), order)
	if err != nil && theirs != "" {
		t.Fatal(err)
	}
	if c.State != ours || p.State != theirs {
		t.Errorf("%s: charge is %q here and %q at the provider, want %q and %q", order, c.State, p.State, ours, theirs)
	}
}

func TestChargeIsIdempotent(t *testing.T) {
	s := newShop(t)
	for range 2 {
		if code, _ := s.charge(t.Context(), "o1", psp.TokenVisa); code != codes.OK {
			t.Fatalf("charge: %v", code)
		}
		if code, reason := s.charge(t.Context(), "o2", psp.TokenDeclined); code != codes.FailedPrecondition || reason != platform.ReasonCardDeclined {
			t.Fatalf("declined card: %v %s", code, reason)
		}
	}
	s.wantStates(t, "o1", Charged, psp.Captured)
	s.wantStates(t, "o2", Declined, psp.Declined)
}

func TestUnknownOutcomeIsSettledByRefund(t *testing.T) {
	for down, theirs := range map[int32]psp.State{1: psp.Voided, 2: psp.Refunded} {
		s := newShop(t)
		s.down.Store(down)
		if code, reason := s.charge(t.Context(), "o1", psp.TokenVisa); code != codes.Unavailable || reason != platform.ReasonPSPUnavailable {
			t.Fatalf("charge without an answer: %v %s", code, reason)
		}
		s.down.Store(1)
		if code := s.refund(t.Context(), "o1"); code != codes.Unavailable {
			t.Fatalf("refund without an answer: %v", code)
		}
		s.down.Store(0)
		for range 2 {
			if code := s.refund(t.Context(), "o1"); code != codes.OK {
				t.Fatalf("refund: %v", code)
			}
		}
		s.wantStates(t, "o1", Refunded, theirs)
	}
}

func TestUnknownOutcomeIsSettledByCharge(t *testing.T) {
	s := newShop(t)
	s.down.Store(2)
	if code, _ := s.charge(t.Context(), "o1", psp.TokenVisa); code != codes.Unavailable {
		t.Fatalf("charge without an answer: %v", code)
	}
	s.down.Store(0)
	if code, _ := s.charge(t.Context(), "o1", psp.TokenVisa); code != codes.OK {
		t.Fatalf("charge again: %v", code)
	}
	s.wantStates(t, "o1", Charged, psp.Captured)
}

func TestRefundThatComesFirstKeepsTheMoneyWhereItIs(t *testing.T) {
	s := newShop(t)
	if code := s.refund(t.Context(), "o1"); code != codes.OK {
		t.Fatalf("refund: %v", code)
	}
	if code, reason := s.charge(t.Context(), "o1", psp.TokenVisa); code != codes.FailedPrecondition || reason != platform.ReasonChargeVoided {
		t.Errorf("charge: %v %s", code, reason)
	}
	s.wantStates(t, "o1", Voided, "")
}

func TestInvalidCalls(t *testing.T) {
	s := newShop(t)
	if code, _ := s.charge(t.Context(), "", psp.TokenVisa); code != codes.InvalidArgument {
		t.Errorf("charge without an order: %v", code)
	}
	if code, _ := s.charge(t.Context(), "o1", ""); code != codes.InvalidArgument {
		t.Errorf("charge without a card: %v", code)
	}
	if code := s.refund(t.Context(), ""); code != codes.InvalidArgument {
		t.Errorf("refund without an order: %v", code)
	}
}
