package interop

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// shop is the whole demo in one process, with a collector that forwards to the
// real backends, and the addresses that it has printed.
type shop struct {
	gateway, viewer, collector string
}

// startShop runs cmd/demo without a shopper until the test ends. Its derived
// metrics are served at the address.
func startShop(t *testing.T, j jaeger, p prometheus, l lokiServer, derived string) shop {
	t.Helper()
	config := writeFile(t, "demo.yaml", fmt.Sprintf(`
receive:
  otlp:
    grpc: {address: "127.0.0.1:0"}
    http: {address: "127.0.0.1:0"}
derive: {address: %q}
export:
  traces: {endpoint: %q}
  metrics: {endpoint: "%s/api/v1/otlp"}
  logs: {endpoint: "%s/otlp"}
admin: {address: "127.0.0.1:0"}
viewer: {address: "127.0.0.1:0"}
`, derived, j.otlp, p, l))
	// Metrics are sent every second, so that the test need not wait a minute.
	demo := launch(t, []string{"OTEL_METRIC_EXPORT_INTERVAL=1000"}, buildCommand(t, "demo"),
		"--rate", "0", "--config", config, "--data", t.TempDir(), "--gateway", "127.0.0.1:0")
	var s shop
	eventually(t, "the demo prints its addresses", func() error {
		if err := demo.running(); err != nil {
			t.Fatal(err)
		}
		for word, into := range map[string]*string{"gateway": &s.gateway, "viewer": &s.viewer, "collector": &s.collector} {
			address, printed := demo.output.field(word)
			if !printed || !strings.HasPrefix(address, "http://") {
				return fmt.Errorf("no line with the address of %s", word)
			}
			*into = address
		}
		return nil
	})
	return s
}

// order is one order, and what the gateway must answer.
type order struct {
	name       string
	item, card string
	status     int
}

// place sends an order and returns the id of its trace.
func (s shop) place(t *testing.T, o order) string {
	t.Helper()
	body := fmt.Sprintf(`{"user_id":"usr_ada","currency":"EUR","card_token":%q,"items":[{"item_id":%q,"quantity":1}]}`, o.card, o.item)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.gateway+"/api/v1/orders", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := readAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	id := response.Header.Get("x-trace-id")
	if response.StatusCode != o.status || len(id) != 32 {
		t.Fatalf("order %s: answer %s with trace %q, want %d with a trace: %s", o.name, response.Status, id, o.status, answer)
	}
	return id
}
