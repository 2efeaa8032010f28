// Package instrument is what the instrumentation packages share: where they
// get their tracer, propagator and registry from, and histograms with
// exemplars whose series are looked up once.
package instrument

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Source is where an instrumentation sends what it sees. *middleware.Telemetry
// is one.
type Source interface {
	TracerProvider() trace.TracerProvider
	Propagator() propagation.TextMapPropagator
	Registerer() prometheus.Registerer
}

// AttributesAtStart says whether somebody may look at the attributes that a
// span is started with, a sampler or a span processor. Only the source can know
// that nobody does, and tells by a method of this name. Then they are made for
// spans that record alone, and all at once.
func AttributesAtStart(source Source) bool {
	knowing, knows := source.(interface{ AttributesAtStart() bool })
	return !knows || knowing.AttributesAtStart()
}

// Globals is the Source of those who set OpenTelemetry's globals and use
// client_golang's default registry.
type Globals struct{}

// TracerProvider is OpenTelemetry's global one.
func (Globals) TracerProvider() trace.TracerProvider { return otel.GetTracerProvider() }

// Propagator is OpenTelemetry's global one.
func (Globals) Propagator() propagation.TextMapPropagator { return otel.GetTextMapPropagator() }

// Registerer is client_golang's default one.
func (Globals) Registerer() prometheus.Registerer {
	return prometheus.DefaultRegisterer //nolint:forbidigo // this is the one place that may name it
}

// Register registers a collector, or gives the one that an earlier
// instrumentation on the same registry has registered under these names.
func Register[C prometheus.Collector](registerer prometheus.Registerer, collector C) (C, error) {
	err := registerer.Register(collector)
	if already, is := errors.AsType[prometheus.AlreadyRegisteredError](err); is {
		if earlier, same := already.ExistingCollector.(C); same {
			return earlier, nil
		}
	}
	if err != nil {
		return collector, fmt.Errorf("register metric: %w", err)
	}
	return collector, nil
}
