// Package propagator has the propagators that OpenTelemetry has not, or not as
// strict as their specifications ask.
package propagator

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// TraceContext is OpenTelemetry's W3C Trace Context, but follows the
// recommendation where headers come several times: of two traceparents none
// can be trusted, and a tracestate in parts is one list (Trace Context,
// sections 3.2.1 and 3.3.1). It sees this in carriers that are ValuesGetters.
// And it takes a traceparent with flags that are reserved.
type TraceContext struct{ propagation.TraceContext }

// Extract is as in propagation.TextMapPropagator.
func (p TraceContext) Extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	parent := value(carrier, "traceparent")
	sc, usual := parse(parent)
	switch {
	case usual:
		sc.TraceState, _ = trace.ParseTraceState(value(carrier, "tracestate"))
		return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(sc))
	case parent == "":
		return ctx
	}
	// A version that is yet to come, or nothing.
	return p.TraceContext.Extract(ctx, propagation.MapCarrier{"traceparent": parent, "tracestate": value(carrier, "tracestate")})
}
