package main

import (
	"bufio"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// running is the whole demo, and where it is.
type running struct {
	*program
	gateway, viewer, metrics, collector string
}

func startDemo(t *testing.T, args ...string) running {
	t.Helper()
	return startDemoIn(t, environment{}, args...)
}

// startDemoIn has what the services record sent at once, for which tests wait, and
// has everybody be patient, as a machine with other work needs it; unless the
// environment says otherwise.
func startDemoIn(t *testing.T, env environment, args ...string) running {
	t.Helper()
	args = append([]string{"--config", writeFile(t, freePorts), "--gateway", "127.0.0.1:0"}, args...)
	all := environment{
		"OTEL_BSP_SCHEDULE_DELAY": "20", "OTEL_BLRP_SCHEDULE_DELAY": "20", // milliseconds
		"REQUEST_TIMEOUT": "30s", "PSP_TIMEOUT": "15s", "SAGA_LEASE": "1m",
	}
	maps.Copy(all, env)
	p := runProgram(t, all, args...)
	return running{
		program: p,
		gateway: p.address(t, "gateway"), viewer: p.address(t, "viewer"),
		metrics: p.address(t, "metrics"), collector: p.address(t, "collector"),
	}
}

// orderOf is the body of an order of one item.
func orderOf(user, card, item string) string {
	return `{"user_id":"` + user + `","currency":"EUR","card_token":"` + card + `","items":[{"item_id":"` + item + `","quantity":1}]}`
}

// place posts an order, and returns the answer and its trace.
func (d running) place(t *testing.T, body string) (got answer, traceID string) {
	t.Helper()
	got = send(t, http.MethodPost, d.gateway+"/api/v1/orders", body, nil)
	traceID = got.header.Get("X-Trace-Id")
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(traceID) {
		t.Errorf("x-trace-id is %q", traceID)
	}
	return got, traceID
}

func TestWholeDemo(t *testing.T) {
	before := goroutines()
	d := startDemo(t, "--rate", "0")
	t.Run("confirmed order", func(t *testing.T) { testConfirmedOrder(t, d) })
	t.Run("declined card", func(t *testing.T) {
		testRefusedOrder(t, d, orderOf("usr_ada", "tok_declined", "itm_tea"), http.StatusPaymentRequired, "card-declined", declinedOrder)
	})
	t.Run("sold out", func(t *testing.T) {
		testRefusedOrder(t, d, orderOf("usr_ada", "tok_visa", "itm_gramophone"), http.StatusConflict, "out-of-stock", soldOutOrder)
	})
	t.Run("bad requests", func(t *testing.T) { testBadRequests(t, d) })
	t.Run("versions", func(t *testing.T) { testVersions(t, d) })
	t.Run("metrics", func(t *testing.T) { testMetrics(t, d) })

	status, took := d.stop(t)
	if status != 0 || took > stopBound {
		t.Errorf("stopped with %d after %v, want 0 within %v", status, took, stopBound)
	}
	if errs := d.errs.String(); errs != "" {
		t.Errorf("stderr:\n%s", errs)
	}
	wantNoMoreGoroutines(t, before)
}

func testConfirmedOrder(t *testing.T, d running) {
	got, id := d.place(t, exampleOrder)
	if got.status != http.StatusCreated {
		t.Fatalf("%d %s", got.status, got.body)
	}
	tr := wantTrace(t, d.viewer, id, confirmedOrder)
	for _, p := range tr.Processes {
		tags := map[string]any{}
		for _, tag := range p.Tags {
			tags[tag.Key] = tag.Value
		}
		if id, _ := tags["service.instance.id"].(string); !regexp.MustCompile("^" + p.ServiceName + "-[12]$").MatchString(id) {
			t.Errorf("%s: the instance is %q", p.ServiceName, id)
		}
		want := map[string]any{
			"service.version": version(), "deployment.environment.name": "demo",
		}
		for key, value := range want {
			if tags[key] != value {
				t.Errorf("%s: %s is %v, want %v", p.ServiceName, key, tags[key], value)
			}
		}
	}
	if shown := get(t, d.gateway+got.header.Get("Location")); shown.status != http.StatusOK || shown.body != got.body {
		t.Errorf("the order is %d %s, want %s", shown.status, shown.body, got.body)
	}
	d.wantPages(t, id)
}

// wantPages looks at the trace as a person does: its page, its logs, and the
// list in which Jaeger's clients find it.
func (d running) wantPages(t *testing.T, id string) {
	t.Helper()
	page := get(t, d.viewer+"/trace/"+id)
	if page.status != http.StatusOK || !strings.Contains(page.body, "process orders.confirmed") {
		t.Errorf("page: %d, %d bytes", page.status, len(page.body))
	}
	for _, line := range []string{"stock reserved", "order confirmed", "message sent"} {
		eventually(t, "log record "+line, func() bool {
			return strings.Contains(get(t, d.viewer+"/trace/"+id+"?view=logs").body, line)
		})
	}
	list := get(t, d.viewer+"/api/traces?service=gateway&limit=5")
	if list.status != http.StatusOK || !strings.Contains(list.body, id) {
		t.Errorf("list: %d %.200s", list.status, list.body)
	}
	var services struct {
		Data []string `json:"data"`
	}
	if err := json.Unmarshal([]byte(get(t, d.viewer+"/api/services").body), &services); err != nil {
		t.Fatal(err)
	}
	slices.Sort(services.Data)
	want := []string{"gateway", "inventory", "notification", "order", "payment", "psp", "user"}
	if diff := cmp.Diff(want, services.Data); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
}

// problem is what a test needs of an answer that is not 2xx.
type problem struct {
	Code    string `json:"code"`
	OrderID string `json:"order_id"`
	TraceID string `json:"trace_id"`
}

// wantProblem checks a refusal, and returns what it says.
func wantProblem(t *testing.T, got answer, status int, code string) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(got.body), &p); err != nil {
		t.Errorf("body %q: %v", got.body, err)
	}
	if got.status != status || p.Code != code || got.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %s %s, want %d %s", got.status, got.header.Get("Content-Type"), got.body, status, code)
	}
	if id := got.header.Get("X-Trace-Id"); id == "" || p.TraceID != id {
		t.Errorf("trace is %q in the header and %q in the body", id, p.TraceID)
	}
	return p
}

func testRefusedOrder(t *testing.T, d running, body string, status int, code, tree string) {
	got, id := d.place(t, body)
	p := wantProblem(t, got, status, code)
	wantTrace(t, d.viewer, id, tree)
	shown := get(t, d.gateway+"/api/v1/orders/"+p.OrderID)
	if shown.status != http.StatusOK || !strings.Contains(shown.body, `"status":"cancelled","reason":"`+code+`"`) {
		t.Errorf("the order is %d %s, want it cancelled", shown.status, shown.body)
	}
}

func testBadRequests(t *testing.T, d running) {
	for _, c := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"malformed JSON", `{"user_id":`, 400, "malformed-json"},
		{"unknown user", orderOf("usr_nobody", "tok_visa", "itm_tea"), 422, "unknown-user"},
		{"blocked user", orderOf("usr_mallory", "tok_visa", "itm_tea"), 403, "user-blocked"},
		{"unknown item", orderOf("usr_ada", "tok_visa", "itm_unicorn"), 422, "unknown-item"},
		{"negative amount", `{"amount":-1,` + orderOf("usr_ada", "tok_visa", "itm_tea")[1:], 422, "invalid-order"},
		{"other amount", `{"amount":1,` + orderOf("usr_ada", "tok_visa", "itm_tea")[1:], 409, "amount-mismatch"},
		// It fits into the buffers of a socket: whoever still sends when the
		// gateway hangs up may not get to read the answer.
		{"oversized body", `{"user_id":"` + strings.Repeat("x", 100<<10) + `"}`, 413, "body-too-large"},
		{"provider outage", orderOf("usr_ada", "tok_outage", "itm_tea"), 503, "payment-unavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, id := d.place(t, c.body)
			wantProblem(t, got, c.status, c.code)
			eventually(t, "trace of the request", func() bool {
				return strings.HasPrefix(findTrace(t, d.viewer, id).tree(), "gateway: POST /api/v1/orders (server)")
			})
		})
	}
	wantProblem(t, get(t, d.gateway+"/api/v3/orders"), http.StatusBadRequest, "unsupported-api-version")
	wantProblem(t, get(t, d.gateway+"/api/things"), http.StatusNotFound, "route-not-found")
	if got, _ := d.place(t, exampleOrder); got.status != http.StatusCreated {
		t.Errorf("afterwards a good order is answered %d %s", got.status, got.body)
	}
}

// testVersions cancels an order in v2 and finds it, with its customer, by each
// way to name the version.
func testVersions(t *testing.T, d running) {
	placed, _ := d.place(t, exampleOrder)
	var order struct{ ID string }
	if err := json.Unmarshal([]byte(placed.body), &order); err != nil {
		t.Fatal(err)
	}
	cancelled := send(t, http.MethodPost, d.gateway+"/api/v2/orders/"+order.ID+"/cancel", "", nil)
	if cancelled.status != http.StatusOK || !strings.Contains(cancelled.body, `"status":"cancelled","reason":"cancelled-by-customer"`) ||
		!strings.Contains(cancelled.body, `"name":"Ada Lindqvist"`) {
		t.Errorf("%d %s", cancelled.status, cancelled.body)
	}
	for _, c := range []struct {
		path   string
		header http.Header
	}{
		{"/api/v2/orders", nil},
		{"/api/orders", http.Header{"Accept": {"application/vnd.api.v2+json"}}},
		{"/api/orders", http.Header{"Api-Version": {"v2"}}},
	} {
		path := c.path + "?user_id=usr_ada&status=cancelled&limit=1"
		eventually(t, "cancelled order at "+path, func() bool {
			got := send(t, http.MethodGet, d.gateway+path, "", c.header)
			return got.status == http.StatusOK && strings.Contains(got.body, order.ID) && strings.Contains(got.body, `"version":"v2"`)
		})
	}
}

// testMetrics looks for a series with an exemplar, at the collector and at the
// gateway itself. Orders have been placed before.
func testMetrics(t *testing.T, d running) {
	openMetrics := http.Header{"Accept": {"application/openmetrics-text; version=1.0.0"}}
	for url, series := range map[string][]string{
		d.metrics: {
			`traces_span_metrics_duration_seconds_bucket`, `service_name="gateway"`, `span_name="POST /api/v1/orders"`, `# {`, `trace_id="`,
		},
		d.gateway + "/metrics": {
			`http_server_request_duration_seconds_bucket`, `http_route="/api/v1/orders"`, `http_response_status_code="201"`, `# {`, `trace_id="`,
		},
	} {
		eventually(t, series[0]+" with an exemplar at "+url, func() bool {
			for line := range strings.Lines(send(t, http.MethodGet, url, "", openMetrics).body) {
				if !slices.ContainsFunc(series, func(part string) bool { return !strings.Contains(line, part) }) {
					return true
				}
			}
			return false
		})
	}
	if got := get(t, d.collector+"/readyz"); got.status != http.StatusOK {
		t.Errorf("the collector is not ready: %d %s", got.status, got.body)
	}
}

// beginOrder has a client begin to place an order, and stop half way.
func (d running) beginOrder(t *testing.T) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(d.gateway, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	const head = "POST /api/v1/orders HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n"
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	// The gateway asks for the body once it is at the request.
	if line, err := bufio.NewReader(conn).ReadString('\n'); !strings.Contains(line, "100 Continue") {
		t.Fatalf("the gateway says %q, %v", line, err)
	}
}

// TestShopperAndInterrupt has customers in the shop when Ctrl-C comes.
// stopBound tells a demo that hangs from one that stops. It takes a fifth of a
// second, and is to take five at most; the race detector on a machine with
// other work has made more of it.
const stopBound = 15 * time.Second

func TestShopperAndInterrupt(t *testing.T) {
	before := goroutines()
	data := t.TempDir()
	d := startDemo(t, "--rate", "4", "--data", data)
	printed := time.Now()
	eventually(t, "trace with all services", func() bool {
		var list struct {
			Data []jaegerTrace `json:"data"`
		}
		body := get(t, d.viewer+"/api/traces?service=gateway&limit=20").body
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatalf("list %q: %v", body, err)
		}
		return slices.ContainsFunc(list.Data, func(tr jaegerTrace) bool { return len(tr.Processes) == 7 })
	})
	t.Logf("a whole trace was there after %v", time.Since(printed))
	d.beginOrder(t)
	status, took := d.stop(t)
	if status != 0 || took > stopBound {
		t.Errorf("stopped with %d after %v, want 0 within %v", status, took, stopBound)
	}
	t.Logf("it stopped after %v", took)
	if out := d.out.String(); !regexp.MustCompile(`\n[1-9][0-9]* orders: [1-9][0-9]* confirmed, [0-9]+ refused, [0-9]+ failed, [0-9]+ missed\n$`).MatchString(out) {
		t.Errorf("the last line is not as it should be:\n%s", out)
	}
	wantNoMoreGoroutines(t, before)
	if _, err := os.Stat(data + "/demo.log"); err != nil {
		t.Error(err)
	}

	// What has been kept is there again.
	d = startDemo(t, "--rate", "0", "--data", data)
	eventually(t, "trace of the first run", func() bool {
		return strings.Contains(get(t, d.viewer+"/api/traces?service=gateway&limit=1").body, `"traceID"`)
	})
}

func TestDemoEndsByItself(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	for _, length := range []string{"1ms", "3s"} { // Before it has started, and after.
		p := runProgram(t, nil, "--config", writeFile(t, freePorts), "--gateway", "127.0.0.1:0", "--for", length)
		if status := p.wait(t); status != 0 || p.errs.String() != "" {
			t.Errorf("--for %s: status %d: %s", length, status, p.errs)
		}
		if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
			t.Errorf("--for %s leaves %v behind, %v", length, left, err)
		}
	}
}
