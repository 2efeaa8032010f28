package inventory

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
)

// told are the store's events, each as its cause, its order and what is left.
func told(t *testing.T, s *Store) []string {
	t.Helper()
	var all []string
	for _, e := range platformtest.OutboxOf(t, s.db) {
		var data UpdatedData
		if err := json.Unmarshal(e.Event.Data, &data); err != nil {
			t.Fatal(err)
		}
		words := []string{data.Cause, data.OrderID}
		for _, l := range data.Items {
			words = append(words, fmt.Sprintf("%s=%d", l.ItemID, l.Available))
		}
		all = append(all, strings.Join(words, " "))
	}
	return all
}

// TestReservationsExpire makes three reservations and confirms one, releases
// one, and leaves one alone.
func TestReservationsExpire(t *testing.T) {
	s := newStore(t)
	exporter := tracetest.NewInMemoryExporter()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	expiry := NewExpiry(s, tp, slog.New(slog.DiscardHandler))
	registry := prometheus.NewPedanticRegistry()
	if err := expiry.register(registry); err != nil {
		t.Fatal(err)
	}
	made := time.Now()
	ctx, span := tp.Tracer("").Start(t.Context(), "order")
	for _, id := range []string{"kept", "given back", "left alone"} {
		r, err := s.Reserve(ctx, id, []Line{{ItemID: "mug", Quantity: 2}}, made)
		if err != nil || !r.ExpiresAt.Equal(made.Add(time.Minute)) {
			t.Fatalf("reservation %v, %v", r, err)
		}
	}
	wantCounts := func(open, expired string) {
		t.Helper()
		if err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP shop_reservations_expired_total Reservations whose stock went back because nobody confirmed them in time.
# TYPE shop_reservations_expired_total counter
shop_reservations_expired_total `+expired+`
# HELP shop_reservations_open Reservations that are not confirmed yet, and expire unless they are.
# TYPE shop_reservations_open gauge
shop_reservations_open `+open+"\n")); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if err := s.Confirm(t.Context(), "kept"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Release(t.Context(), "given back", made); err != nil {
		t.Fatal(err)
	}
	wantCounts("1", "0")
	exporter.Reset()
	for _, after := range []time.Duration{time.Minute - time.Millisecond, time.Minute, time.Hour} {
		expiry.now = func() time.Time { return made.Add(after) }
		if err := expiry.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := int64(8)
		if after < time.Minute {
			want = 6
		}
		wantAvailable(t, s, map[string]int64{"mug": want})
	}
	wantCounts("0", "1")
	want := []string{
		"reserved kept mug=8", "reserved given back mug=6", "reserved left alone mug=4", "released given back mug=6", "expired left alone mug=8",
	}
	if diff := cmp.Diff(want, told(t, s)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	spans := exporter.GetSpans()
	if len(spans) != 1 || spans[0].Name != "expire reservation" || len(spans[0].Links) != 1 ||
		spans[0].Links[0].SpanContext.TraceID() != span.SpanContext().TraceID() || spans[0].Parent.IsValid() {
		t.Errorf("spans are %+v, want one that links to the reservation", spans)
	}

	if err := s.Confirm(t.Context(), "left alone"); !errors.Is(err, ErrExpired) {
		t.Errorf("Confirm of what has expired: %v", err)
	}
	if _, err := s.Reserve(t.Context(), "left alone", []Line{{ItemID: "mug", Quantity: 2}}, made); err != nil {
		t.Errorf("a new reservation: %v", err)
	}
	wantAvailable(t, s, map[string]int64{"mug": 6})
	for range 2 {
		if err := s.Release(t.Context(), "kept", made); err != nil {
			t.Fatal(err)
		}
	}
	wantAvailable(t, s, map[string]int64{"mug": 8})
}

func TestExpiredReservationIsReleasedOnce(t *testing.T) {
	s := newStore(t)
	now := time.Now()
	if _, err := s.Reserve(t.Context(), "o1", []Line{{ItemID: "pot", Quantity: 1}}, now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.expire(t.Context(), "o1", now); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Release(t.Context(), "o1", now); err != nil {
		t.Fatal(err)
	}
	wantAvailable(t, s, map[string]int64{"pot": 2})
	for _, id := range []string{"o1", "never"} {
		if err := s.Confirm(t.Context(), id); !errors.Is(err, ErrReleased) {
			t.Errorf("Confirm of %s: %v, want ErrReleased", id, err)
		}
	}
}

func TestConfirmAnswersWithReasons(t *testing.T) {
	s := newStore(t)
	server := NewServer(s, slog.New(slog.DiscardHandler))
	if _, err := s.Reserve(t.Context(), "late", []Line{{ItemID: "mug", Quantity: 1}}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.expire(t.Context(), "late", time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reserve(t.Context(), "good", []Line{{ItemID: "mug", Quantity: 1}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]struct {
		code   codes.Code
		reason string
	}{
		"good":  {codes.OK, ""},
		"late":  {codes.FailedPrecondition, platform.ReasonReservationExpired},
		"never": {codes.FailedPrecondition, platform.ReasonReservationReleased},
		"":      {codes.InvalidArgument, platform.ReasonInvalid},
	} {
		_, err := server.Confirm(t.Context(), &inventoryv1.ConfirmRequest{OrderId: id})
		if reason, _ := platform.ReasonOf(err); status.Code(err) != want.code || reason != want.reason {
			t.Errorf("%q: %v, want %v with %q", id, err, want.code, want.reason)
		}
	}
}
