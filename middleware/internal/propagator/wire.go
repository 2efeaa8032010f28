package propagator

import (
	"context"
	"reflect"
	"strings"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Carrier is what Wire reads from and writes to.
type Carrier interface {
	propagation.TextMapCarrier
	propagation.ValuesGetter
}

// Wire does what a propagator does, and what nearly all propagators do, W3C
// Trace Context and perhaps Baggage, at a fraction of the cost: it allocates
// nothing, does not look for what is not there, and reads headers as
// TraceContext does. What is unusual, be it the propagator or a header, it
// leaves to the propagator itself. It is safe for
// concurrent use.
type Wire struct {
	all propagation.TextMapPropagator
	// w3c says that the propagator is known to be Trace Context, and, with
	// baggage, Baggage, and nothing else.
	w3c, baggage bool
}

// NewWire looks into the propagator.
func NewWire(p propagation.TextMapPropagator) Wire {
	w := Wire{all: p}
	contexts, baggages, others := 0, 0, 0
	for _, part := range parts(p) {
		switch part.(type) {
		case TraceContext, propagation.TraceContext:
			contexts++
		case propagation.Baggage:
			baggages++
		default:
			others++
		}
	}
	w.w3c = contexts == 1 && baggages <= 1 && others == 0 && holds()
	w.baggage = w.w3c && baggages == 1
	return w
}

// parts are those of OpenTelemetry's composite propagator, whose type is not
// exported, but which is a slice.
func parts(p propagation.TextMapPropagator) []propagation.TextMapPropagator {
	v := reflect.ValueOf(p)
	if !v.IsValid() || v.Kind() != reflect.Slice || v.Type().PkgPath() != reflect.TypeFor[propagation.TraceContext]().PkgPath() {
		return []propagation.TextMapPropagator{p}
	}
	var all []propagation.TextMapPropagator
	for i := range v.Len() {
		if part, is := reflect.TypeAssert[propagation.TextMapPropagator](v.Index(i)); is {
			all = append(all, parts(part)...)
		}
	}
	return all
}

// Extract is ctx with what the carrier tells. It may put parent into it, which
// is then not to be used again.
func (w Wire) Extract(ctx context.Context, carrier Carrier, parent *Remote) context.Context {
	if !w.w3c {
		return w.all.Extract(ctx, carrier)
	}
	if lines := carrier.Values("traceparent"); len(lines) == 1 {
		sc, usual := parse(lines[0])
		if !usual {
			return w.all.Extract(ctx, carrier)
		}
		if states := carrier.Values("tracestate"); len(states) > 0 {
			sc.TraceState, parent.foreign = parseState(strings.Join(states, ","), sc.TraceID)
		}
		parent.Context, parent.span.Span, parent.span.sc = ctx, noSpan, trace.NewSpanContext(sc)
		ctx = parent
	}
	if w.baggage && len(carrier.Values("baggage")) > 0 {
		return propagation.Baggage{}.Extract(ctx, carrier)
	}
	return ctx
}

// Inject tells the carrier of the span in ctx and of the baggage. The text of
// traceparent may be put into room, which is then not to be used again.
func (w Wire) Inject(ctx context.Context, carrier propagation.TextMapCarrier, room *Traceparent) {
	if !w.w3c {
		w.all.Inject(ctx, carrier)
		return
	}
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		injectState(ctx, carrier, sc)
		carrier.Set("traceparent", room.Of(sc))
	}
	if w.baggage && baggage.FromContext(ctx).Len() > 0 {
		propagation.Baggage{}.Inject(ctx, carrier)
	}
}

// Fields are the names of the headers that are written.
func (w Wire) Fields() []string { return w.all.Fields() }
