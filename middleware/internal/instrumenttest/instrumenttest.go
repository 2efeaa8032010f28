// Package instrumenttest records what an instrumentation makes, for its tests.
package instrumenttest

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// Telemetry records what one side has seen. It is an instrument.Source.
type Telemetry struct {
	Provider *sdktrace.TracerProvider
	Spans    *tracetest.SpanRecorder
	Registry *prometheus.Registry
}

// New makes a provider of the options that records its spans.
func New(options ...sdktrace.TracerProviderOption) *Telemetry {
	spans := tracetest.NewSpanRecorder()
	return &Telemetry{
		Provider: sdktrace.NewTracerProvider(append(options, sdktrace.WithSpanProcessor(spans))...),
		Spans:    spans, Registry: prometheus.NewPedanticRegistry(),
	}
}

// TracerProvider is the one that records.
func (t *Telemetry) TracerProvider() trace.TracerProvider { return t.Provider }

// Propagator is W3C's, with baggage.
func (t *Telemetry) Propagator() propagation.TextMapPropagator {
	return propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
}

// Registerer is a registry of its own.
func (t *Telemetry) Registerer() prometheus.Registerer { return t.Registry }

// Measured is one series of a histogram.
type Measured struct {
	Labels   map[string]string
	Count    uint64
	Exemplar map[string]string // of any of its buckets
}

// Series gathers the series of a histogram.
func (t *Telemetry) Series(test *testing.T, name string) []Measured {
	test.Helper()
	families, err := t.Registry.Gather()
	if err != nil {
		test.Fatal(err)
	}
	var found []Measured
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			m := Measured{Labels: pairs(metric.GetLabel()), Count: metric.GetHistogram().GetSampleCount()}
			for _, bucket := range metric.GetHistogram().GetBucket() {
				if bucket.GetExemplar() != nil {
					m.Exemplar = pairs(bucket.GetExemplar().GetLabel())
				}
			}
			found = append(found, m)
		}
	}
	return found
}

func pairs(labels []*dto.LabelPair) map[string]string {
	m := map[string]string{}
	for _, pair := range labels {
		m[pair.GetName()] = pair.GetValue()
	}
	return m
}

// Attributes are a span's, by their keys, as text.
func Attributes(list []attribute.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range list {
		m[string(kv.Key)] = kv.Value.String()
	}
	return m
}
