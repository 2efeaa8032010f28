package interop

import (
	"fmt"
	"testing"
)

// startCollector runs cmd/collector until the test ends. It receives nothing but
// OTLP over HTTP, as the YAML mapping http says; rest has the other sections of
// its configuration.
func startCollector(t *testing.T, http, rest string) *program {
	t.Helper()
	return startCollectorOn(t, t.TempDir(), http, rest)
}

// startCollectorOn is startCollector with a journal that may have been there
// before.
func startCollectorOn(t *testing.T, journal, http, rest string) *program {
	t.Helper()
	admin := freeAddress(t)
	config := writeFile(t, "collector.yaml", fmt.Sprintf(`
receive:
  otlp:
    grpc: {address: "off"}
    http: %s
  jaeger:
    thrift_compact: {address: "off"}
    thrift_binary: {address: "off"}
    thrift_http: {address: "off"}
    grpc: {address: "off"}
    sampling: {address: "off"}
  zipkin: {address: "off"}
  loki: {address: "off"}
journal: {dir: %q}
admin: {address: %q}
%s`, http, journal, admin, rest))
	p := launch(t, nil, buildCommand(t, "collector"), "--config", config)
	eventually(t, "the collector is there", func() error {
		if err := p.running(); err != nil {
			t.Fatal(err)
		}
		return alive(t, "http://"+admin+"/livez")
	})
	return p
}
