package platform

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traceparentHeader is the name of the W3C header, and of its only key here.
const traceparentHeader = "traceparent"

// Traceparent is the span in the context as a database keeps it: a W3C
// traceparent, or empty if there is none.
func Traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[traceparentHeader]
}

// LinksTo are links to the spans that the traceparents name, for work that goes
// on with what another process, or another request, has begun. What is empty or
// malformed gives none.
func LinksTo(traceparents ...string) []trace.Link {
	var links []trace.Link
	for _, traceparent := range traceparents {
		ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{traceparentHeader: traceparent})
		if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
			links = append(links, trace.Link{SpanContext: sc})
		}
	}
	return links
}
