package payment

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

// outcomes is the provider as its calls come out: an error, or a status.
type outcomes struct {
	next  any
	asked int
}

// RoundTrip implements http.RoundTripper.
func (o *outcomes) RoundTrip(r *http.Request) (*http.Response, error) {
	o.asked++
	if err, fails := o.next.(error); fails {
		return nil, err
	}
	w := httptest.NewRecorder()
	w.WriteHeader(o.next.(int))
	_, _ = w.WriteString(`{"id": "ch_1", "status": "CAPTURED"}`)
	response := w.Result()
	response.Request = r
	return response, nil
}

func TestBreakerOpensAndClosesByItself(t *testing.T) {
	telemetry := platformtest.Telemetry(t)
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		var log strings.Builder
		answers := &outcomes{}
		provider, err := newProvider(cfg, answers, telemetry, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		call := func(outcome any, works bool) {
			t.Helper()
			answers.next = outcome
			if _, err := provider.charge(t.Context(), "o1", psp.ChargeRequest{}); (err == nil) != works || errors.Is(err, errOpen) {
				t.Errorf("call %d, which comes out as %v: %v", answers.asked, outcome, err)
			}
		}
		refused := func() {
			t.Helper()
			before := answers.asked
			_, charged := provider.charge(t.Context(), "o1", psp.ChargeRequest{})
			_, found := provider.find(t.Context(), "o1")
			if !errors.Is(charged, errOpen) || !errors.Is(found, errOpen) || answers.asked != before || !provider.open() {
				t.Errorf("charge: %v, question: %v", charged, found)
			}
		}
		const ok, declined, broken = http.StatusCreated, http.StatusPaymentRequired, http.StatusServiceUnavailable
		down := errors.New("psp is down")
		for range 4 {
			call(down, false)
		}
		call(declined, false) // That is an answer: five in a row they are not.
		for range 4 {
			call(broken, false)
			answers.next = ok // Questions are answered, and that changes nothing.
			if _, err := provider.find(t.Context(), "o1"); err != nil || provider.open() {
				t.Errorf("question: %v, open: %v", err, provider.open())
			}
		}
		call(down, false)
		refused()
		time.Sleep(cfg.Breaker.OpenFor - time.Millisecond)
		refused()
		time.Sleep(2 * time.Millisecond)
		call(down, false) // It has not recovered yet.
		refused()
		time.Sleep(cfg.Breaker.OpenFor + time.Millisecond)
		for range 3 {
			call(ok, true)
		}
		for range 4 {
			call(down, false) // Which it bears again.
		}
		call(ok, true)
		var changes []string
		for line := range strings.Lines(log.String()) {
			_, change, _ := strings.Cut(strings.TrimSpace(line), "breaker=psp ")
			changes = append(changes, change)
		}
		want := []string{
			"from=closed to=open", "from=open to=half-open", "from=half-open to=open", "from=open to=half-open", "from=half-open to=closed",
		}
		if diff := cmp.Diff(want, changes); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	})
	served := httptest.NewRecorder()
	telemetry.MetricsHandler().ServeHTTP(served, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	for _, want := range []string{
		`waybill_client_breaker_state{instance_address="127.0.0.1:9006",peer_service="psp"} 0`,
		`waybill_client_breaker_transitions_total{peer_service="psp",state="open"} 2`,
		`waybill_client_breaker_transitions_total{peer_service="psp",state="half-open"} 2`,
		`waybill_client_breaker_transitions_total{peer_service="psp",state="closed"} 1`,
		`waybill_client_breaker_rejections_total{peer_service="psp"} 6`,
	} {
		if !strings.Contains(served.Body.String(), want) {
			t.Errorf("there is no %s", want)
		}
	}
}

func TestProviderNeedsAnAddress(t *testing.T) {
	for _, at := range []string{"", "psp:9006/%zz", "/charges", "http://user:secret@%"} {
		if _, err := NewProvider(Config{PSPURL: at}, platformtest.Telemetry(t), slog.New(slog.DiscardHandler)); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("provider at %q: %v", at, err)
		}
	}
}

// TestOpenBreakerLeavesNothingUnknown charges and refunds while psp is down:
// before the breaker opens the outcome is unknown, and found out later; then
// psp is not asked, quickly, and there is nothing to give back.
func TestOpenBreakerLeavesNothingUnknown(t *testing.T) {
	s := newShop(t)
	s.reach(t, BreakerConfig{Failures: 5, OpenFor: time.Hour, Successes: 1})
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
	s.reach(t, DefaultBreakerConfig())
	if code := s.refund(t.Context(), "o4"); code != codes.OK {
		t.Errorf("refund: %v", code)
	}
	s.wantStates(t, "o4", Refunded, psp.Voided)
}
