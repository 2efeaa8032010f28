package platformtest

import (
	"context"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/waybill-dev/waybill/middleware"
)

// Telemetry is a service's, which sends nothing anywhere; processors see its
// spans.
func Telemetry(t testing.TB, processors ...sdktrace.SpanProcessor) *middleware.Telemetry {
	t.Helper()
	opts := []middleware.Option{
		middleware.WithServiceName("test"), middleware.WithLogWriter(nil), middleware.WithoutGlobals(),
		middleware.WithGetenv(func(name string) (string, bool) {
			switch name {
			case "OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER":
				return "none", true
			}
			return "", false
		}),
	}
	for _, p := range processors {
		opts = append(opts, middleware.WithSpanProcessor(p))
	}
	telemetry, err := middleware.Setup(t.Context(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = telemetry.Shutdown(context.WithoutCancel(t.Context())) })
	return telemetry
}
