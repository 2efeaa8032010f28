package interop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/waybill-dev/waybill/interop/backend"
)

// jaeger is where a real Jaeger listens, or will.
type jaeger struct {
	otlp   string // base URL for OTLP over HTTP
	grpc   string // base URL for OTLP over gRPC
	query  string // base URL of the API
	listen []string
}

// newJaeger chooses the addresses of a Jaeger that does not run yet and reads
// metrics from a Prometheus.
func newJaeger(t *testing.T, prometheus string) jaeger {
	t.Helper()
	otlp, grpc, query := freeAddress(t), freeAddress(t), freeAddress(t)
	return jaeger{
		otlp: "http://" + otlp, grpc: "http://" + grpc, query: "http://" + query,
		listen: []string{
			"JAEGER_OTLP_HTTP=" + otlp, "JAEGER_OTLP_GRPC=" + grpc,
			"JAEGER_QUERY_HTTP=" + query, "JAEGER_QUERY_GRPC=" + freeAddress(t),
			"JAEGER_HEALTH=" + freeAddress(t), "JAEGER_PROMETHEUS=" + prometheus,
			"JAEGER_MAX_TRACES=100000",
			"OTEL_TRACES_SAMPLER=always_off", // as Compose has it
		},
	}
}

// start runs Jaeger with the configuration that Compose gives it, until the
// test ends.
func (j jaeger) start(t *testing.T) {
	t.Helper()
	p := launch(t, j.listen, built(t, backend.Jaeger()), "--config", deployed(t, "jaeger.yaml"))
	eventually(t, "Jaeger answers", func() error {
		if err := p.running(); err != nil {
			t.Fatal(err)
		}
		_, err := fetch[[]string](t, j.query+"/api/services")
		return err
	})
}

// envelope is what every answer of Jaeger's v1 API is wrapped in.
type envelope[T any] struct {
	Data   T `json:"data"`
	Errors []struct {
		Code int    `json:"code"`
		Msg  string `json:"msg"`
	} `json:"errors"`
}

// fetch gets one answer of Jaeger's v1 API: Jaeger's own, or the viewer's.
func fetch[T any](t *testing.T, address string) (T, error) {
	t.Helper()
	var answer envelope[T]
	if err := getJSON(t, address, &answer); err != nil {
		return answer.Data, err
	}
	if len(answer.Errors) > 0 {
		return answer.Data, fmt.Errorf("%s: %v", address, answer.Errors)
	}
	return answer.Data, nil
}

// getJSON gets an address that answers 200 and JSON.
func getJSON(t *testing.T, address string, into any) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		body, err := readAll(response.Body)
		if err != nil {
			return err
		}
		return fmt.Errorf("%s answers %s: %s", address, response.Status, body)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// trace gets one trace by its id, from Jaeger or from the viewer.
func getTrace(t *testing.T, base, id string) (trace, error) {
	t.Helper()
	found, err := fetch[[]trace](t, base+"/api/traces/"+url.PathEscape(id))
	if err != nil {
		return trace{}, err
	}
	if len(found) != 1 {
		return trace{}, fmt.Errorf("%d traces have the id %s", len(found), id)
	}
	return found[0], nil
}
