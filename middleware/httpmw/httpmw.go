// Package httpmw observes HTTP: a handler around a service's handlers and a
// round tripper around its client make spans, metrics with exemplars, and pass
// on the trace, after OpenTelemetry's stable conventions.
//
// A server's span is called by method and route, as in GET /orders/{id}. The
// route comes from the pattern of the http.ServeMux inside the middleware, or
// outside of it, without a line of code; the innermost mux that gets to see
// the request counts. See SetRoute for other routers, and ReportRoute for a
// mux that is handed a copy of the request.
package httpmw

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// ScopeName is the instrumentation scope of the spans.
const ScopeName = "github.com/waybill-dev/waybill/middleware/httpmw"

// noSpan stands for the span of a request that has none; it does nothing.
var noSpan = trace.SpanFromContext(context.Background())

func newTracer(source Telemetry) trace.Tracer {
	return source.TracerProvider().Tracer(ScopeName, trace.WithSchemaURL(semconv.SchemaURL))
}
