package order

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/demo-services/psp"
)

func TestMetricsTellWhatHappens(t *testing.T) {
	w := newWorld(t)
	registry := prometheus.NewPedanticRegistry()
	if err := w.metrics.register(registry, w.store.db); err != nil {
		t.Fatal(err)
	}
	want := func(text string, names ...string) {
		t.Helper()
		if err := testutil.GatherAndCompare(registry, strings.NewReader(text), names...); err != nil {
			t.Error(err)
		}
	}
	o := w.mustPlace(t, 2)
	if _, err := w.place(t.Context(), 1, psp.TokenDeclined); err == nil {
		t.Fatal("the card is good")
	}
	w.before = func(call string) error {
		if call == "release" {
			return status.Error(codes.Unavailable, "inventory is down")
		}
		return nil
	}
	if _, err := w.cancel(t.Context(), o.GetId(), 0); err != nil { // It can't be undone yet.
		t.Fatal(err)
	}
	want(`# HELP shop_sagas_total Sagas of orders that have ended, by how and why.
# TYPE shop_sagas_total counter
shop_sagas_total{outcome="cancelled",reason="CARD_DECLINED"} 1
shop_sagas_total{outcome="confirmed",reason=""} 1
# HELP shop_order_amount_total What orders that have ended cost, in the currency's minor unit.
# TYPE shop_order_amount_total counter
shop_order_amount_total{currency="EUR",outcome="cancelled"} 500
shop_order_amount_total{currency="EUR",outcome="confirmed"} 1000
`, "shop_sagas_total", "shop_order_amount_total")
	// Placed, reserved, paid, confirmed, failed, refunded; placed, reserved, failed, released, cancelled.
	want(`# HELP shop_projector_lag_events Events that are not in the read model yet.
# TYPE shop_projector_lag_events gauge
shop_projector_lag_events 11
# HELP shop_sagas_open Sagas that have not ended.
# TYPE shop_sagas_open gauge
shop_sagas_open 1
`, "shop_projector_lag_events", "shop_sagas_open")
	if n := testutil.CollectAndCount(w.metrics.duration); n != 2 {
		t.Errorf("%d series of durations, want 2", n)
	}

	if err := w.projector.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(`# HELP shop_projector_lag_events Events that are not in the read model yet.
# TYPE shop_projector_lag_events gauge
shop_projector_lag_events 0
`, "shop_projector_lag_events")
}
