package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/demo-services/fault"
)

// TestBreakerIsSeen has the provider go down in the whole demo. Orders come as
// far as payment, and the trace, the metric and the map show where they end. It
// comes up again, and orders are confirmed without anybody's doing.
func TestBreakerIsSeen(t *testing.T) {
	t.Parallel()
	backend := exporttest.New(t)
	config := freePorts + fmt.Sprintf("export: {metrics: {endpoint: %q}}\n", backend.URL())
	d := startDemoIn(t, environment{"BREAKER_OPEN_FOR": "6s"}, "--rate", "0", "--config", writeFile(t, config))
	const confirmed, refused = http.StatusCreated, http.StatusServiceUnavailable
	d.want(t, confirmed)

	d.switchFault(t, "on", fault.PSPDown)
	eventually(t, "open breaker of either instance, in a metric", func() bool {
		d.want(t, refused)
		return allAre(breakers(t, backend), 2)
	})
	d.wantRefusedByBreaker(t)
	d.wantFadingEdge(t, func() { d.want(t, refused) })

	d.switchFault(t, "off", fault.PSPDown)
	var last string
	eventually(t, "order that is confirmed", func() bool {
		var got answer
		got, last = d.place(t, exampleOrder)
		return got.status == confirmed
	})
	eventually(t, "psp in the trace", func() bool { return d.count(t, last, "psp", "POST /charges") > 0 })
	eventually(t, "closed breaker of either instance, in a metric", func() bool {
		d.place(t, exampleOrder)
		return allAre(breakers(t, backend), 0)
	})
}

// want places an order.
func (d running) want(t *testing.T, status int) (trace string) {
	t.Helper()
	got, trace := d.place(t, exampleOrder)
	if got.status != status || status == http.StatusServiceUnavailable && !strings.Contains(got.body, "payment-unavailable") {
		t.Fatalf("%d %s, want %d", got.status, got.body, status)
	}
	return trace
}

// breakers are the states of payment's circuit breakers before psp that the
// instances have sent last: 0 is closed, 2 is open.
func breakers(t *testing.T, backend *exporttest.Backend) map[string]float64 {
	t.Helper()
	return gauges(t, backend, "payment", "breaker_state")
}

// allAre says whether both instances are in the state.
func allAre(breakers map[string]float64, state float64) bool {
	for _, is := range breakers {
		if is != state {
			return false
		}
	}
	return len(breakers) == 2
}

// wantRefusedByBreaker waits for an order whose trace says that payment's breaker
// has refused the call of psp, and has no call of psp.
func (d running) wantRefusedByBreaker(t *testing.T) {
	t.Helper()
	eventually(t, "trace of an order that the breaker has refused", func() bool {
		start := time.Now()
		id := d.want(t, http.StatusServiceUnavailable)
		took := time.Since(start)
		eventually(t, "payment in the trace", func() bool {
			return d.count(t, id, "payment", "shop.payment.v1.PaymentService/Charge") > 0
		})
		if d.count(t, id, "psp", "POST /charges") > 0 || !d.breakerSpeaks(t, id) {
			return false
		}
		t.Logf("the order was refused after %v", took)
		return true
	})
}

// breakerSpeaks says whether a span of payment has an event of the breaker's.
func (d running) breakerSpeaks(t *testing.T, trace string) bool {
	t.Helper()
	found := findTrace(t, d.viewer, trace)
	for _, s := range found.Spans {
		for _, log := range s.Logs {
			for _, field := range log.Fields {
				event, _ := field.Value.(string)
				if found.Processes[s.ProcessID].ServiceName == "payment" && field.Key == "event" && strings.Contains(event, "circuit breaker") {
					return true
				}
			}
		}
	}
	return false
}

// failedEdge is the arrow from payment to psp when it is drawn in red.
var failedEdge = regexp.MustCompile(`<g class="edge [^"]*failed" [^>]*><title>payment to psp `)

// wantFadingEdge looks at the map before and after ten orders more: they come to
// payment, and hardly any goes on to psp, but those by which the breaker looks
// whether it is up.
func (d running) wantFadingEdge(t *testing.T, order func()) {
	t.Helper()
	if page := get(t, d.viewer+"/map").body; !failedEdge.MatchString(page) {
		t.Errorf("the map has no failed calls from payment to psp:\n%s", page)
	}
	money, provider := d.calls(t, "order", "payment"), d.calls(t, "payment", "psp")
	const more = 20
	for range more {
		order()
	}
	eventually(t, "orders on the map", func() bool { return d.calls(t, "order", "payment") >= money+more })
	if went := d.calls(t, "payment", "psp") - provider; went > more/2 {
		t.Errorf("%d calls of %d went on to psp", went, more)
	}
}

// calls are how many calls the map has between two services.
func (d running) calls(t *testing.T, from, to string) int {
	t.Helper()
	var answer struct {
		Data []struct {
			Parent, Child string
			CallCount     int
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(get(t, d.viewer+"/api/dependencies").body), &answer); err != nil {
		t.Fatal(err)
	}
	for _, e := range answer.Data {
		if e.Parent == from && e.Child == to {
			return e.CallCount
		}
	}
	return 0
}
