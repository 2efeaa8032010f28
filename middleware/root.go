package middleware

import (
	"context"

	"go.opentelemetry.io/otel/trace"
)

// rootProvider has the traces that begin here say that their ids are random, as
// level 2 of Trace Context asks of who makes them so (section 3.2.2.5.2). The SDK
// makes them so, and gives a span the flags of the context that it starts in, but
// sets none itself.
type rootProvider struct{ trace.TracerProvider }

// Tracer is as in trace.TracerProvider.
func (p rootProvider) Tracer(name string, options ...trace.TracerOption) trace.Tracer {
	return rootTracer{p.TracerProvider.Tracer(name, options...)}
}

type rootTracer struct{ trace.Tracer }

// random is the span context of nobody, with the flag.
var random = trace.NewSpanContext(trace.SpanContextConfig{TraceFlags: trace.FlagsRandom})

// Start is as in trace.Tracer. A trace that trace.WithNewRoot begins in a context
// of another has no flag, which is less than could be said, and true.
func (t rootTracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	if !trace.SpanContextFromContext(ctx).TraceID().IsValid() {
		ctx = trace.ContextWithSpanContext(ctx, random)
	}
	return t.Tracer.Start(ctx, name, options...)
}
