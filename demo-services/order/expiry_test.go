package order

import (
	"log/slog"
	"testing"

	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/demo-services/inventory"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

// TestExpiredReservationIsHandled has the reservation expire before the saga
// comes to its next step: before it is charged, and before it is confirmed.
func TestExpiredReservationIsHandled(t *testing.T) {
	for _, at := range []string{"charge", "confirm"} {
		w := newWorldWithTTL(t, 0)
		expiry := inventory.NewExpiry(w.stock, noop.NewTracerProvider(), slog.New(slog.DiscardHandler))
		w.before = func(call string) error {
			if call == at {
				return expiry.Sweep(t.Context())
			}
			return nil
		}
		_, err := w.place(t.Context(), 2, psp.TokenVisa)
		reason, metadata := platform.ReasonOf(err)
		if status.Code(err) != codes.FailedPrecondition || reason != platform.ReasonReservationExpired {
			t.Errorf("expired before %s: %v", at, err)
		}
		w.wantOutcome(t, metadata["order_id"], cancelled(platform.ReasonReservationExpired, psp.Refunded))
	}
}

// TestReservationIsMadeAgain has a reservation expire whose answer was lost in
// a crash: who goes on reserves anew.
func TestReservationIsMadeAgain(t *testing.T) {
	w := newWorldWithTTL(t, 0)
	killAt(w, "after reserve")
	id := w.placeAndDie(t, psp.TokenVisa)
	if err := inventory.NewExpiry(w.stock, noop.NewTracerProvider(), slog.New(slog.DiscardHandler)).Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.restart(t)
	w.later()
	if err := w.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantOutcome(t, id, confirmed())
}
