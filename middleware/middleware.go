// Package middleware sets up a service's telemetry in one call: traces,
// metrics and logs that know of each other, sent to a collector as OTLP. The
// packages beneath it observe what a service does: httpmw its HTTP, grpcmw its
// gRPC, natsmw its messages.
package middleware

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// ScopeName is the instrumentation scope of the metrics and log records that
// are sent.
const ScopeName = "github.com/waybill-dev/waybill/middleware"

// Telemetry is what Setup makes. All its methods are safe for concurrent use.
type Telemetry struct {
	tracerProvider trace.TracerProvider
	meterProvider  metric.MeterProvider
	propagator     propagation.TextMapPropagator
	registry       *prometheus.Registry
	logger         *slog.Logger
	// early says that a sampler or span processor is the service's own.
	early bool
	// native has histograms with native buckets, too.
	native bool

	senders  []sender
	outlets  []*outlet
	shutdown sync.Once
	err      error
}

// sender is one signal's way to the collector.
type sender interface {
	Flush(context.Context) error
	Shutdown(context.Context) error
}

// TracerProvider makes the service's tracers.
func (t *Telemetry) TracerProvider() trace.TracerProvider { return t.tracerProvider }

// MeterProvider is for libraries that measure by OpenTelemetry's API: what they
// do is served and sent with the rest, under the names of Prometheus.
func (t *Telemetry) MeterProvider() metric.MeterProvider { return t.meterProvider }

// NativeHistograms says whether histograms are to have native buckets beside
// the classic ones. It is for instrumentation.
func (t *Telemetry) NativeHistograms() bool { return t.native }

// Propagator carries trace context and baggage from service to service.
func (t *Telemetry) Propagator() propagation.TextMapPropagator { return t.propagator }

// AttributesAtStart says whether a sampler or a span processor of the service's
// own may look at the attributes that a span is started with; those of Setup do
// not. It is for instrumentation, which can save the work of making them.
func (t *Telemetry) AttributesAtStart() bool { return t.early }

// Registerer takes the service's own metrics, which are served and sent with
// those of the middleware.
func (t *Telemetry) Registerer() prometheus.Registerer { return t.registry }

// Gatherer reads all metrics.
func (t *Telemetry) Gatherer() prometheus.Gatherer { return t.registry }

// MetricsHandler answers a scrape; in OpenMetrics, when asked for it, with
// exemplars.
func (t *Telemetry) MetricsHandler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, Registry: t.registry})
}

// Logger writes records with the trace_id and span_id of their context, and
// sends them with the spans.
func (t *Telemetry) Logger() *slog.Logger { return t.logger }

// Flush sends what is waiting, for as long as the context allows.
func (t *Telemetry) Flush(ctx context.Context) error { return t.each(ctx, sender.Flush) }

// Shutdown sends what is waiting, for as long as the context allows, and ends
// every goroutine that Setup has started. What is recorded afterwards is
// dropped. Further calls return what the first did.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	t.shutdown.Do(func() {
		t.err = t.each(ctx, sender.Shutdown)
		for _, o := range t.outlets {
			o.close()
		}
	})
	return t.err
}

// each does something with all senders at once, so that none takes the time of
// the others.
func (t *Telemetry) each(ctx context.Context, do func(sender, context.Context) error) error {
	errs := make([]error, len(t.senders))
	var wg sync.WaitGroup
	for i, s := range t.senders {
		wg.Go(func() { errs[i] = do(s, ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// setGlobals makes the telemetry that of every library that asks OpenTelemetry
// for the global one.
func (t *Telemetry) setGlobals() {
	otel.SetTracerProvider(t.tracerProvider)
	otel.SetMeterProvider(t.meterProvider)
	otel.SetTextMapPropagator(t.propagator)
}
