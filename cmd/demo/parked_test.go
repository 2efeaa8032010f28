package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/demo-services/fault"
)

// TestSagaIsParkedAndGoesOn has an order's stock be out of reach until nobody
// tries to give it back any more. A metric says so, and so does the list of
// sagas; when a person has it go on, it does so in the order's trace, linked to
// where it stopped.
func TestSagaIsParkedAndGoesOn(t *testing.T) {
	t.Parallel()
	backend := exporttest.New(t)
	config := freePorts + fmt.Sprintf("export: {metrics: {endpoint: %q}}\n", backend.URL())
	d := startDemoIn(t, environment{"SAGA_PARK_AFTER": "1"}, "--rate", "0", "--config", writeFile(t, config))
	orders := d.address(t, "order")
	d.switchFault(t, "on", fault.ServiceCutOff)
	got, trace := d.place(t, exampleOrder)
	order := wantProblem(t, got, http.StatusServiceUnavailable, "inventory-unavailable").OrderID
	eventually(t, "saga that is parked", func() bool {
		return strings.Contains(printed(t, 0, "saga", "list", "--parked", "--order", orders), order)
	})
	eventually(t, "parked order in the list of what is being cancelled", func() bool {
		var listed []struct {
			ID     string
			Parked bool
		}
		body := get(t, d.gateway+"/api/v1/orders?status=cancelling").body
		return json.Unmarshal([]byte(body), &listed) == nil && len(listed) == 1 && listed[0].ID == order && listed[0].Parked
	})
	eventually(t, "parked saga in a metric", func() bool { return gauges(t, backend, "order", "shop_sagas_parked")["order-1"] == 1 })

	d.switchFault(t, "off", fault.ServiceCutOff)
	printed(t, 0, "saga", "resume", order, "--order", orders)
	eventually(t, "order that is cancelled", func() bool {
		var shown struct{ Status string }
		body := get(t, d.gateway+"/api/v1/orders/"+order).body
		return json.Unmarshal([]byte(body), &shown) == nil && shown.Status == "cancelled"
	})
	eventually(t, "saga that goes on in the order's trace, with a link", func() bool {
		found := findTrace(t, d.viewer, trace)
		for _, s := range found.Spans {
			if s.Operation == "resume order" && len(s.References) > 1 {
				return true
			}
		}
		return false
	})
	eventually(t, "nothing parked in the metric", func() bool {
		parked, sent := gauges(t, backend, "order", "shop_sagas_parked")["order-1"]
		return sent && parked == 0
	})
}
