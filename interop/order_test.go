package interop

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// good, declined and soldOut are the three orders of the test.
var (
	good     = order{name: "good", item: "itm_coffee", card: "tok_visa", status: http.StatusCreated}
	declined = order{name: "declined", item: "itm_coffee", card: "tok_declined", status: http.StatusPaymentRequired}
	soldOut  = order{name: "sold out", item: "itm_gramophone", card: "tok_visa", status: http.StatusConflict}
)

// traces are the whole traces of the orders: nothing may be missing, and
// nothing may be there beside it.
var traces = map[string]string{
	good.name: `gateway server POST /api/v1/orders
  gateway client shop.user.v1.UserService/ValidateUser
    user server shop.user.v1.UserService/ValidateUser
      user client SELECT users
  gateway client shop.order.v1.OrderService/CreateOrder
    order server shop.order.v1.OrderService/CreateOrder
      order client INSERT events
      order client INSERT sagas
      order client INSERT outbox
        order producer publish orders.created
      order internal place order
        order client shop.inventory.v1.InventoryService/Reserve
          inventory server shop.inventory.v1.InventoryService/Reserve
            inventory client SELECT reservations
            inventory client INSERT reservations
            inventory client UPDATE items
            inventory client INSERT reservation_lines
            inventory client INSERT outbox
              inventory producer publish inventory.updated
        order client INSERT events
        order client shop.payment.v1.PaymentService/Charge
          payment server shop.payment.v1.PaymentService/Charge
            payment client SELECT charges
            payment client INSERT charges
            payment internal POST psp
              payment client POST
                psp server POST /charges
                  psp client SELECT charges
                  psp client INSERT charges
                  psp client SELECT charges
            payment client UPDATE charges
            payment client SELECT charges
            payment client INSERT outbox
              payment producer publish payments.processed
        order client INSERT events
        order client shop.inventory.v1.InventoryService/Confirm
          inventory server shop.inventory.v1.InventoryService/Confirm
            inventory client UPDATE reservations
        order client INSERT events
        order client DELETE sagas
        order client INSERT outbox
          order producer publish orders.confirmed
            notification consumer process orders.confirmed
              notification client INSERT messages
              notification client UPDATE messages
`,
	// The provider's refusal is an answer, so its own span and payment's did
	// their work; whoever wanted the money has failed.
	declined.name: `gateway server POST /api/v1/orders
  gateway client shop.user.v1.UserService/ValidateUser
    user server shop.user.v1.UserService/ValidateUser
      user client SELECT users
  gateway client shop.order.v1.OrderService/CreateOrder ERROR
    order server shop.order.v1.OrderService/CreateOrder
      order client INSERT events
      order client INSERT sagas
      order client INSERT outbox
        order producer publish orders.created
      order internal place order ERROR
        order client shop.inventory.v1.InventoryService/Reserve
          inventory server shop.inventory.v1.InventoryService/Reserve
            inventory client SELECT reservations
            inventory client INSERT reservations
            inventory client UPDATE items
            inventory client INSERT reservation_lines
            inventory client INSERT outbox
              inventory producer publish inventory.updated
        order client INSERT events
        order client shop.payment.v1.PaymentService/Charge ERROR
          payment server shop.payment.v1.PaymentService/Charge
            payment client SELECT charges
            payment client INSERT charges
            payment internal POST psp ERROR
              payment client POST ERROR
                psp server POST /charges
                  psp client SELECT charges
                  psp client INSERT charges
                  psp client SELECT charges
            payment client UPDATE charges
            payment client SELECT charges
            payment client INSERT outbox
              payment producer publish payments.processed
        order client INSERT events
        order client shop.inventory.v1.InventoryService/Release
          inventory server shop.inventory.v1.InventoryService/Release
            inventory client SELECT reservations
            inventory client UPDATE items SELECT reservation_lines
            inventory client UPDATE reservations
            inventory client INSERT outbox
              inventory producer publish inventory.updated
        order client INSERT events
        order client INSERT events
        order client DELETE sagas
        order client INSERT outbox
          order producer publish orders.cancelled
            notification consumer process orders.cancelled
              notification client INSERT messages
              notification client UPDATE messages
`,
	soldOut.name: `gateway server POST /api/v1/orders
  gateway client shop.user.v1.UserService/ValidateUser
    user server shop.user.v1.UserService/ValidateUser
      user client SELECT users
  gateway client shop.order.v1.OrderService/CreateOrder ERROR
    order server shop.order.v1.OrderService/CreateOrder
      order client INSERT events
      order client INSERT sagas
      order client INSERT outbox
        order producer publish orders.created
      order internal place order ERROR
        order client shop.inventory.v1.InventoryService/Reserve ERROR
          inventory server shop.inventory.v1.InventoryService/Reserve
            inventory client SELECT reservations
            inventory client INSERT reservations
            inventory client UPDATE items
            inventory client SELECT items
        order client INSERT events
        order client INSERT events
        order client DELETE sagas
        order client INSERT outbox
          order producer publish orders.cancelled
            notification consumer process orders.cancelled
              notification client INSERT messages
              notification client UPDATE messages
`,
}

// calls is the derived metrics' counter for spans of one kind.
func calls(service, kind, name, status string) string {
	return fmt.Sprintf(`traces_span_metrics_calls_total{service_name=%q,span_kind="SPAN_KIND_%s",span_name=%q,status_code="STATUS_CODE_%s"}`,
		service, kind, name, status)
}

// requests is the counter of the gateway's own histogram of its answers.
func requests(status int) string {
	return fmt.Sprintf(`http_server_request_duration_seconds_count{service_name="gateway",http_request_method="POST",`+
		`http_route="/api/v1/orders",http_response_status_code="%d"}`, status)
}

// TestOrders places one order of each kind and looks at what the real backends
// make of it.
func TestOrders(t *testing.T) {
	p := prometheus("http://" + freeAddress(t))
	j := newJaeger(t, string(p))
	derived := freeAddress(t)
	j.start(t)
	p.start(t, derived)
	l := startLoki(t)
	s := startShop(t, j, p, l, derived)

	ids := map[string]string{}
	for _, o := range []order{good, declined, soldOut} {
		ids[o.name] = s.place(t, o)
	}
	t.Run("traces", func(t *testing.T) { checkTraces(t, j, s, ids) })
	t.Run("search", func(t *testing.T) { checkSearch(t, j, s, ids) })
	t.Run("services", func(t *testing.T) { checkServices(t, j) })
	t.Run("metrics", func(t *testing.T) { checkMetrics(t, p) })
	t.Run("names", func(t *testing.T) { checkNames(t, p) })
	t.Run("exemplars", func(t *testing.T) { checkExemplars(t, p, ids) })
	t.Run("logs", func(t *testing.T) { checkLogs(t, l, ids) })
	t.Run("monitor", func(t *testing.T) { checkMonitor(t, j) })
	t.Run("dashboards", func(t *testing.T) { checkDashboards(t, p) })
	t.Run("alerts", func(t *testing.T) { checkAlerts(t, p) })
}

// checkTraces compares Jaeger's traces, and the viewer's, with the whole ones.
func checkTraces(t *testing.T, j jaeger, s shop, ids map[string]string) {
	for name, id := range ids {
		for place, base := range map[string]string{"Jaeger": j.query, "the viewer": s.viewer} {
			eventually(t, fmt.Sprintf("%s has the trace of the order that is %s", place, name), func() error {
				got, err := getTrace(t, base, id)
				if err != nil {
					return err
				}
				if diff := got.differs(traces[name]); diff != "" || got.TraceID != id {
					return fmt.Errorf("trace %s, asked for %s, differs (-want +got):\n%s", got.TraceID, id, diff)
				}
				return nil
			})
		}
	}
}

// checkSearch looks for the provider's refusal: one order, in Jaeger and in the
// viewer. It asks for the status code, since error=true finds nothing in this
// Jaeger's memory: it reads the text as a boolean, and the boolean as false.
func checkSearch(t *testing.T, j jaeger, s shop, ids map[string]string) {
	query := url.Values{"service": {"payment"}, "tags": {`{"http.response.status_code":"402"}`}, "limit": {"20"}, "lookback": {"1h"}}.Encode()
	for place, base := range map[string]string{"Jaeger": j.query, "the viewer": s.viewer} {
		eventually(t, place+" finds the declined order", func() error {
			found, err := fetch[[]trace](t, base+"/api/traces?"+query)
			if err == nil && (len(found) != 1 || found[0].TraceID != ids[declined.name]) {
				err = fmt.Errorf("got %d traces, want trace %s", len(found), ids[declined.name])
			}
			return err
		})
	}
}

func checkServices(t *testing.T, j jaeger) {
	got, err := fetch[[]string](t, j.query+"/api/services")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	want := []string{"gateway", "inventory", "notification", "order", "payment", "psp", "user"}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("Jaeger knows other services (-want +got):\n%s", diff)
	}
}

// checkMetrics compares the counters with what three orders come to.
func checkMetrics(t *testing.T, p prometheus) {
	duration := `traces_span_metrics_duration_seconds_%s{service_name="gateway",span_kind="SPAN_KIND_SERVER"%s}`
	want := map[string]float64{
		calls("gateway", "SERVER", "POST /api/v1/orders", "UNSET"):             3,
		calls("order", "INTERNAL", "place order", "UNSET"):                     1,
		calls("order", "INTERNAL", "place order", "ERROR"):                     2,
		calls("payment", "CLIENT", "POST", "UNSET"):                            1,
		calls("payment", "CLIENT", "POST", "ERROR"):                            1,
		calls("psp", "SERVER", "POST /charges", "UNSET"):                       2,
		calls("notification", "CONSUMER", "process orders.confirmed", "UNSET"): 1,
		calls("notification", "CONSUMER", "process orders.cancelled", "UNSET"): 2,
		fmt.Sprintf(duration, "count", ""):                                     3,
		fmt.Sprintf(duration, "bucket", `,le="+Inf"`):                          3,
		requests(http.StatusCreated):                                           1,
		requests(http.StatusPaymentRequired):                                   1,
		requests(http.StatusConflict):                                          1,
		`rpc_server_call_duration_seconds_count{service_name="payment",rpc_method="shop.payment.v1.PaymentService/Charge",` +
			`rpc_response_status_code="FAILED_PRECONDITION"}`: 1,
	}
	for expr, value := range want {
		eventually(t, expr, func() error {
			got, err := p.number(t, expr)
			if err == nil && got != value {
				err = fmt.Errorf("it is %v, want %v", got, value)
			}
			return err
		})
	}
}

// checkExemplars follows the declined order from both kinds of metrics to its
// trace, and no other order.
func checkExemplars(t *testing.T, p prometheus, ids map[string]string) {
	want := map[string]bool{ids[declined.name]: true}
	for _, selector := range []string{
		`traces_span_metrics_duration_seconds_bucket{service_name="payment",span_name="POST",status_code="STATUS_CODE_ERROR"}`,
		`http_server_request_duration_seconds_bucket{service_name="gateway",http_response_status_code="402"}`,
	} {
		eventually(t, "exemplars of "+selector, func() error {
			got, err := p.exemplarTraces(t, selector)
			if err != nil {
				return err
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				return fmt.Errorf("they lead elsewhere (-want +got):\n%s", diff)
			}
			return nil
		})
	}
}

// checkMonitor asks Jaeger's Monitor tab, which reads the derived metrics out
// of Prometheus by the names that it expects.
func checkMonitor(t *testing.T, j jaeger) {
	query := url.Values{
		"service": {"gateway"}, "spanKind": {"server"}, "quantile": {"0.95"},
		"lookback": {"3600000"}, "step": {"5000"}, "ratePer": {"60000"},
	}.Encode()
	for _, kind := range []string{"calls", "latencies"} {
		eventually(t, "Jaeger's Monitor tab has "+kind, func() error {
			var got struct {
				Metrics []struct {
					MetricPoints []struct {
						GaugeValue struct {
							DoubleValue any `json:"doubleValue"` // a number, or "NaN"
						} `json:"gaugeValue"`
					} `json:"metricPoints"`
				} `json:"metrics"`
			}
			if err := getJSON(t, j.query+"/api/metrics/"+kind+"?"+query, &got); err != nil {
				return err
			}
			if len(got.Metrics) != 1 || len(got.Metrics[0].MetricPoints) == 0 {
				return fmt.Errorf("got %+v", got)
			}
			return nil
		})
	}
}
