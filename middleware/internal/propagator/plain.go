package propagator

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// The headers that tracing written by hand uses.
const (
	plainTraceHeader  = "x-trace-id"
	plainParentHeader = "x-parent-span-id"
)

// Plain speaks with services whose tracing is written by hand:
//
//	x-trace-id: {32 hex digits, 16, or a UUID}
//	x-parent-span-id: {16 hex digits}
//
// They tell nothing of sampling, so what they begin is sampled. One that gives
// no span of its own, or one that is no id, is the parent by an id that is made
// of the trace's, so that its trace stays one.
type Plain struct{}

// Fields are the headers that Inject writes.
func (Plain) Fields() []string { return []string{plainTraceHeader, plainParentHeader} }

// Inject writes the trace; one that is not sampled, too, as their logs need it.
func (Plain) Inject(ctx context.Context, carrier propagation.TextMapCarrier) {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		carrier.Set(plainTraceHeader, sc.TraceID().String())
		carrier.Set(plainParentHeader, sc.SpanID().String())
	}
}

// Extract reads the trace. Headers that come twice are not taken. What another
// propagator has read goes before it, as it says more.
func (Plain) Extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	id := strings.ReplaceAll(value(carrier, plainTraceHeader), "-", "")
	if len(id) != 32 && len(id) != 16 || trace.SpanContextFromContext(ctx).IsRemote() {
		return ctx
	}
	traceID, err := trace.TraceIDFromHex(leftPadded(id, 32))
	if err != nil {
		return ctx
	}
	var spanID trace.SpanID
	if parent := value(carrier, plainParentHeader); len(parent) == 16 {
		spanID, _ = trace.SpanIDFromHex(strings.ToLower(parent))
	}
	if !spanID.IsValid() {
		spanID = trace.SpanID(traceID[8:])
	}
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: spanID, TraceFlags: trace.FlagsSampled, Remote: true})
	if !sc.IsValid() {
		return ctx
	}
	return trace.ContextWithRemoteSpanContext(ctx, sc)
}
