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
// It
// takes a traceparent with flags that are reserved, and passes on a tracestate
// whose keys are those of level 2.
type TraceContext struct{ propagation.TraceContext }

// Extract is as in propagation.TextMapPropagator.
func (p TraceContext) Extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	parent := value(carrier, "traceparent")
	sc, usual := parse(parent)
	switch {
	case usual:
		var foreign *foreignState
		if sc.TraceState, foreign = parseState(value(carrier, "tracestate"), sc.TraceID); foreign != nil {
			ctx = context.WithValue(ctx, foreignKey{}, foreign)
		}
		return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(sc))
	case parent == "":
		return ctx
	}
	// A version that is yet to come, or nothing.
	state := value(carrier, "tracestate")
	ctx = p.TraceContext.Extract(ctx, propagation.MapCarrier{"traceparent": parent, "tracestate": state})
	if sc := trace.SpanContextFromContext(ctx); sc.IsRemote() && sc.TraceState().Len() == 0 {
		if _, foreign := parseState(state, sc.TraceID()); foreign != nil {
			ctx = context.WithValue(ctx, foreignKey{}, foreign)
		}
	}
	return ctx
}

// Inject is as in propagation.TextMapPropagator.
func (p TraceContext) Inject(ctx context.Context, carrier propagation.TextMapCarrier) {
	p.TraceContext.Inject(ctx, carrier)
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		injectState(ctx, carrier, sc)
	}
}
