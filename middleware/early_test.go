package middleware_test

import (
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/waybill-dev/waybill/middleware"
)

// Nobody but a sampler or a processor of the service's own looks at attributes
// when a span starts.
func TestAttributesAtStart(t *testing.T) {
	never := middleware.WithGetenv(environ("OTEL_TRACES_EXPORTER", "none", "OTEL_METRICS_EXPORTER", "none", "OTEL_LOGS_EXPORTER", "none"))
	for name, test := range map[string]struct {
		option middleware.Option
		want   bool
	}{
		"neither":   {middleware.WithServiceName("order"), false},
		"sampler":   {middleware.WithSampler(sdktrace.AlwaysSample()), true},
		"processor": {middleware.WithSpanProcessor(tracetest.NewSpanRecorder()), true},
	} {
		if got := setup(t, never, test.option).AttributesAtStart(); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
