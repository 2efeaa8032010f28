package payment

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc/codes"

	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

// TestLostAnswerIsAskedForAtOnce loses the answers to charges only: what they
// were is found out before the caller is answered.
func TestLostAnswerIsAskedForAtOnce(t *testing.T) {
	s := newShop(t)
	s.down.Store(3)
	if code, _ := s.charge(t.Context(), "o1", psp.TokenVisa); code != codes.OK {
		t.Errorf("good card: %v", code)
	}
	if code, reason := s.charge(t.Context(), "o2", psp.TokenStolen); code != codes.FailedPrecondition || reason != platform.ReasonCardDeclined {
		t.Errorf("stolen card: %v %s", code, reason)
	}
	// The provider has refused to do anything, and knows of nothing.
	if code, reason := s.charge(t.Context(), "o3", psp.TokenOutage); code != codes.Unavailable || reason != platform.ReasonPSPUnavailable {
		t.Errorf("outage: %v %s", code, reason)
	}
	s.wantStates(t, "o1", Charged, psp.Captured)
	s.wantStates(t, "o2", Declined, psp.Declined)
	s.wantStates(t, "o3", Pending, "")
}

// TestInquiryFindsOutWhatNobodyAsksFor leaves charges and a refund behind whose
// outcome is unknown, as a caller does that never comes back.
func TestInquiryFindsOutWhatNobodyAsksFor(t *testing.T) {
	s := newShop(t)
	exporter := tracetest.NewInMemoryExporter()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	inquiry := NewInquiry(s.Server, DefaultInquiryConfig(), tp)
	registry := prometheus.NewPedanticRegistry()
	if err := inquiry.register(registry); err != nil {
		t.Fatal(err)
	}
	ctx, span := tp.Tracer("").Start(t.Context(), "order")
	s.down.Store(2)
	s.charge(ctx, "charged", psp.TokenVisa)
	s.charge(ctx, "declined", psp.TokenDeclined)
	s.down.Store(1)
	s.charge(ctx, "never arrived", psp.TokenVisa)
	s.refund(ctx, "refunded")
	s.down.Store(0)
	if code, _ := s.charge(ctx, "given back", psp.TokenVisa); code != codes.OK {
		t.Fatal(code)
	}
	s.down.Store(2)
	s.refund(ctx, "given back")
	exporter.Reset()
	start := time.Now()
	sweep := func(after time.Duration) {
		t.Helper()
		inquiry.now = func() time.Time { return start.Add(after) }
		if err := inquiry.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sweep(0) // They may still be under way.
	if n := len(exporter.GetSpans()); n != 0 {
		t.Errorf("%d spans of inquiries that came too early", n)
	}
	sweep(time.Minute) // Nobody answers.
	s.wantStates(t, "charged", Pending, psp.Captured)
	s.down.Store(0)
	sweep(2 * time.Minute)
	s.wantStates(t, "charged", Charged, psp.Captured)
	s.wantStates(t, "declined", Declined, psp.Declined)
	s.wantStates(t, "never arrived", Pending, "")
	s.wantStates(t, "given back", Refunded, psp.Refunded)
	for _, span := range exporter.GetSpans() {
		if span.Name == "find out charge" && (len(span.Links) != 1 || span.Parent.IsValid()) {
			t.Errorf("span %v has %d links", span.Attributes, len(span.Links))
		}
	}
	if id := exporter.GetSpans()[0].Links[0].SpanContext.TraceID(); id != span.SpanContext().TraceID() {
		t.Errorf("it links to trace %v, want the order's", id)
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP shop_payment_found_out_total Charges and refunds whose outcome was unknown and was asked for in the background, by what it is.
# TYPE shop_payment_found_out_total counter
shop_payment_found_out_total{outcome="charged"} 1
shop_payment_found_out_total{outcome="declined"} 1
shop_payment_found_out_total{outcome="none"} 1
shop_payment_found_out_total{outcome="refunded"} 1
shop_payment_found_out_total{outcome="unknown"} 4
# HELP shop_payment_unknown Charges and refunds whose outcome is not known, or not yet.
# TYPE shop_payment_unknown gauge
shop_payment_unknown 1
`)); err != nil {
		t.Error(err)
	}
	want := []string{"given back charged", "charged charged", "declined declined", "given back refunded"}
	if diff := cmp.Diff(want, told(t, s.store)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// told are the store's events, each as its order and what has become of it.
func told(t *testing.T, s *Store) []string {
	t.Helper()
	var all []string
	for _, e := range platformtest.OutboxOf(t, s.db) {
		var data ProcessedData
		if err := json.Unmarshal(e.Event.Data, &data); err != nil {
			t.Fatal(err)
		}
		if e.Subject != platform.SubjectPaymentProcessed || data.Amount != 1200 || data.Currency != "EUR" {
			t.Errorf("event is %s %+v", e.Subject, data)
		}
		all = append(all, fmt.Sprint(data.OrderID, " ", data.Outcome))
	}
	return all
}

func TestInquiryLeavesTheProviderAlone(t *testing.T) {
	s := newShop(t)
	s.reach(t, BreakerConfig{Failures: 1, OpenFor: time.Hour, Successes: 1})
	s.down.Store(1)
	s.charge(t.Context(), "o1", psp.TokenVisa)
	inquiry := NewInquiry(s.Server, InquiryConfig{}, sdktrace.NewTracerProvider())
	asked := s.asked.Load()
	if err := inquiry.Sweep(t.Context()); err != nil || s.asked.Load() != asked {
		t.Errorf("psp was asked, %v", err)
	}
}

// TestEachOutcomeIsToldOnce repeats charges and refunds.
func TestEachOutcomeIsToldOnce(t *testing.T) {
	s := newShop(t)
	for range 3 {
		s.charge(t.Context(), "o1", psp.TokenVisa)
		s.charge(t.Context(), "o2", psp.TokenDeclined)
	}
	for range 3 {
		s.refund(t.Context(), "o1")
		s.refund(t.Context(), "o2")
		s.refund(t.Context(), "o3") // Was never charged, so there is nothing to tell.
	}
	want := []string{"o1 charged", "o2 declined", "o1 refunded"}
	if diff := cmp.Diff(want, told(t, s.store)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
