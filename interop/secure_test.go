package interop

import (
	"errors"
	"fmt"
	"testing"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"

	"github.com/waybill-dev/waybill/collector/listen/listentest"
)

// TestSecuredWay has OpenTelemetry's own exporter send to a collector, that to
// another, both of which want TLS, a client's certificate and a token, and the
// second to Jaeger. Whoever has another token is not let in.
func TestSecuredWay(t *testing.T) {
	j := newJaeger(t, "http://"+freeAddress(t))
	j.start(t)
	authority := listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "collector")
	clientCert, clientKey := authority.Issue(t, "client")
	secured := func(address, token string) string {
		return fmt.Sprintf(`{address: %q, tls: {cert_file: %q, key_file: %q, client_ca_file: %q}, auth: {bearer: %s}}`,
			address, cert, key, authority.CAFile(), token)
	}
	first, second := freeAddress(t), freeAddress(t)
	startCollector(t, secured(second, "t0ken-2"), fmt.Sprintf("derive: {address: \"off\"}\nexport: {traces: {endpoint: %q}}\n", j.otlp))
	startCollector(t, secured(first, "t0ken-1"), fmt.Sprintf(`
derive: {address: "off"}
export:
  traces:
    endpoint: "https://%s"
    headers: {Authorization: Bearer t0ken-2}
    tls: {ca_file: %q, cert_file: %q, key_file: %q}
`, second, authority.CAFile(), clientCert, clientKey))

	send := func(token string, from int) (ids []string, err error) {
		exporter, err := otlptrace.New(t.Context(), otlptracehttp.NewClient(
			otlptracehttp.WithEndpoint(first),
			otlptracehttp.WithTLSClientConfig(authority.Client(t, clientCert, clientKey)),
			otlptracehttp.WithHeaders(map[string]string{"Authorization": "Bearer " + token}),
		))
		if err != nil {
			t.Fatal(err)
		}
		stubs, ids := oneSpanTraces(from, 5)
		return ids, errors.Join(exporter.ExportSpans(t.Context(), stubs.Snapshots()), exporter.Shutdown(t.Context()))
	}
	refused, err := send("t0ken-2", 0)
	if err == nil {
		t.Error("the other collector's token is taken")
	}
	sent, err := send("t0ken-1", 5)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range sent {
		eventually(t, "Jaeger has the trace", func() error {
			_, err := getTrace(t, j.query, id)
			return err
		})
	}
	for _, id := range refused {
		if _, err := getTrace(t, j.query, id); err == nil {
			t.Errorf("the trace %s is there, which was refused", id)
		}
	}
}
