package payment

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc/codes"

	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

func TestBreakerOpensAndClosesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(DefaultBreakerConfig(), slog.New(slog.DiscardHandler))
		registry := prometheus.NewPedanticRegistry()
		if err := b.register(registry); err != nil {
			t.Fatal(err)
		}
		down := errors.New("psp is down")
		asked := 0
		call := func(outcome, want error) {
			t.Helper()
			if err := b.do(t.Context(), func() error { asked++; return outcome }); !errors.Is(err, want) {
				t.Errorf("call %d: %v, want %v", asked, err, want)
			}
		}
		wantState := func(state, rejected int) {
			t.Helper()
			want := fmt.Sprintf(`
# HELP shop_payment_breaker_rejected_total Calls of the payment provider that were not made because the circuit breaker was open.
# TYPE shop_payment_breaker_rejected_total counter
shop_payment_breaker_rejected_total %d
# HELP shop_payment_breaker_state State of the circuit breaker before the payment provider: 0 closed, 1 half open, 2 open.
# TYPE shop_payment_breaker_state gauge
shop_payment_breaker_state %d
`, rejected, state)
			if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
				t.Error(err)
			}
		}
		for range 4 {
			call(down, down)
		}
		call(nil, nil) // Five in a row they are not.
		for range 5 {
			wantState(0, 0)
			call(down, down)
		}
		wantState(2, 0)
		call(nil, errOpen)
		time.Sleep(DefaultBreakerConfig().OpenFor - time.Millisecond)
		call(nil, errOpen)
		wantState(2, 2)
		time.Sleep(2 * time.Millisecond)
		wantState(1, 2)
		call(down, down) // It has not recovered yet.
		wantState(2, 2)
		time.Sleep(DefaultBreakerConfig().OpenFor + time.Millisecond)
		for range 3 {
			wantState(1, 2)
			call(nil, nil)
		}
		wantState(0, 2)
		if asked != 14 {
			t.Errorf("psp was asked %d times, want 14", asked)
		}
	})
}

// TestOpenBreakerLeavesNothingUnknown charges and refunds while psp is down:
// before the breaker opens the outcome is unknown, and found out later; then
// psp is not asked, quickly, and there is nothing to give back.
func TestOpenBreakerLeavesNothingUnknown(t *testing.T) {
	s := newShop(t)
	s.psp.breaker = newBreaker(BreakerConfig{Failures: 5, OpenFor: time.Hour, Successes: 1}, slog.New(slog.DiscardHandler))
	s.down.Store(1)
	for i := range 5 {
		if code, reason := s.charge(t.Context(), fmt.Sprintf("o%d", i), psp.TokenVisa); code != codes.Unavailable || reason != platform.ReasonPSPUnavailable {
			t.Fatalf("charge %d: %v %s", i, code, reason)
		}
	}
	s.wantStates(t, "o4", Pending, "")
	asked := s.asked.Load()
	start := time.Now()
	if code, reason := s.charge(t.Context(), "o5", psp.TokenVisa); code != codes.Unavailable || reason != platform.ReasonPSPUnavailable {
		t.Fatalf("charge while open: %v %s", code, reason)
	}
	t.Logf("refused after %v", time.Since(start))
	s.wantStates(t, "o5", Voided, "")
	if code := s.refund(t.Context(), "o5"); code != codes.OK {
		t.Errorf("refund of what was never charged: %v", code)
	}
	// The charges whose outcome is unknown wait for psp, whatever the breaker.
	if code, _ := s.charge(t.Context(), "o4", psp.TokenVisa); code != codes.Unavailable {
		t.Errorf("charge again while open: %v", code)
	}
	s.wantStates(t, "o4", Pending, "")
	if code := s.refund(t.Context(), "o4"); code != codes.Unavailable {
		t.Errorf("refund while open: %v", code)
	}
	s.wantStates(t, "o4", Refunding, "")
	if more := s.asked.Load() - asked; more != 0 {
		t.Errorf("psp was asked %d times while it was to be left alone", more)
	}
	s.down.Store(0)
	s.psp.breaker = newBreaker(DefaultBreakerConfig(), slog.New(slog.DiscardHandler))
	if code := s.refund(t.Context(), "o4"); code != codes.OK {
		t.Errorf("refund: %v", code)
	}
	s.wantStates(t, "o4", Refunded, psp.Voided)
}
