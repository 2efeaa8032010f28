package propagator

import (
	"context"

	"go.opentelemetry.io/otel/trace"
)

// Remote is a context with the span of a caller in it, as
// trace.ContextWithRemoteSpanContext makes one. Inside something larger it
// costs no memory of its own.
type Remote struct {
	context.Context
	span    remoteSpan
	foreign *foreignState // nil, nearly always
}

// Value is as in context.Context.
func (r *Remote) Value(key any) any {
	if key == spanKey {
		return &r.span
	}
	if _, asked := key.(foreignKey); asked && r.foreign != nil {
		return r.foreign
	}
	return r.Context.Value(key)
}

// remoteSpan does nothing but to have a context.
type remoteSpan struct {
	trace.Span
	sc trace.SpanContext
}

// SpanContext is as in trace.Span.
func (s *remoteSpan) SpanContext() trace.SpanContext { return s.sc }

// noSpan is the span of a context that has none.
var noSpan = trace.SpanFromContext(context.Background())

// spanKey is the key under which contexts have spans. OpenTelemetry does not
// export it, but asks contexts for it.
var spanKey = askedFor(func(ctx context.Context) { trace.SpanFromContext(ctx) })

// asked is a context that remembers what it was asked for.
type asked struct {
	context.Context
	keys []any
}

func (a *asked) Value(key any) any {
	a.keys = append(a.keys, key)
	return nil
}

// askedFor is the only key that look asks a context for, or nil.
func askedFor(look func(context.Context)) any {
	a := &asked{Context: context.Background()}
	look(a)
	if len(a.keys) != 1 {
		return nil
	}
	return a.keys[0]
}

// holds says whether what Remote relies on is so in the OpenTelemetry that is
// linked.
func holds() bool {
	want := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, Remote: true})
	r := &Remote{Context: context.Background(), span: remoteSpan{Span: noSpan, sc: want}}
	return spanKey != nil && trace.SpanContextFromContext(r).Equal(want)
}
