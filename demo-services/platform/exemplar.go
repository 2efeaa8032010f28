package platform

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
)

// Observe records a value, with the trace in the context as its exemplar if
// the trace is sampled.
func Observe(ctx context.Context, observer prometheus.Observer, value float64) {
	sc := trace.SpanContextFromContext(ctx)
	with, can := observer.(prometheus.ExemplarObserver)
	if !can || !sc.IsSampled() {
		observer.Observe(value)
		return
	}
	with.ObserveWithExemplar(value, prometheus.Labels{"trace_id": sc.TraceID().String(), "span_id": sc.SpanID().String()})
}
