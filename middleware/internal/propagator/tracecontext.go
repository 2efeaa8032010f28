// Package propagator has the propagators that OpenTelemetry has not, or not as
// strict as their specifications ask.
package propagator

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
)

// TraceContext is OpenTelemetry's W3C Trace Context, but follows the
// recommendation where headers come several times: of two traceparents none
// can be trusted, and a tracestate in parts is one list (Trace Context,
// sections 3.2.1 and 3.3.1). It sees this in carriers that are ValuesGetters.
type TraceContext struct{ propagation.TraceContext }

// Extract is as in propagation.TextMapPropagator.
func (p TraceContext) Extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	getter, several := carrier.(propagation.ValuesGetter)
	if !several {
		return p.TraceContext.Extract(ctx, carrier)
	}
	if len(getter.Values("traceparent")) > 1 {
		return ctx // as Header has it
	}
	if states := getter.Values("tracestate"); len(states) > 1 {
		carrier = joined{TextMapCarrier: carrier, tracestate: Header("tracestate", states)}
	}
	return p.TraceContext.Extract(ctx, carrier)
}

// joined is a carrier whose tracestate has been put together.
type joined struct {
	propagation.TextMapCarrier
	tracestate string
}

func (c joined) Get(key string) string {
	if key == "tracestate" {
		return c.tracestate
	}
	return c.TextMapCarrier.Get(key)
}
