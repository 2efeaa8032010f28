package middleware

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// The conditions under which a library is measured. Unless it is none, the
// caller of each request has a trace, and says whether it is sampled.
const (
	none      = "none" // no SDK: the caller's trace is only passed on
	unsampled = "unsampled"
	sampled   = "sampled"
)

var modes = []string{none, unsampled, sampled}

// The libraries, and what there is without one.
const (
	bare    = "bare"
	waybill = "waybill"
	otel    = "otel"
)

// telemetry is where both libraries send what they see. Ours takes its metrics
// to the registry, OpenTelemetry's to the meter provider; without an SDK ours
// still measures, OpenTelemetry's does not.
type telemetry struct {
	traces   trace.TracerProvider
	registry *prometheus.Registry
	meters   metric.MeterProvider
	reader   *sdkmetric.ManualReader // nil without an SDK
}

// newTelemetry has spans go to the processor.
func newTelemetry(mode string, processor sdktrace.SpanProcessor) telemetry {
	t := telemetry{traces: tracenoop.NewTracerProvider(), registry: prometheus.NewRegistry(), meters: metricnoop.NewMeterProvider()}
	if mode != none {
		t.traces = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(processor))
		t.reader = sdkmetric.NewManualReader()
		t.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(t.reader))
	}
	return t
}

func (t telemetry) TracerProvider() trace.TracerProvider { return t.traces }
func (t telemetry) Registerer() prometheus.Registerer    { return t.registry }

// AttributesAtStart tells our middleware, as middleware.Setup does, that the
// SDK's own sampler and the processor do not look at the attributes that a span
// starts with. OpenTelemetry's instrumentation has no such question to ask.
func (telemetry) AttributesAtStart() bool { return false }

func (telemetry) Propagator() propagation.TextMapPropagator {
	return propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
}

// caller is the span that a request comes from.
func caller(mode string) trace.SpanContext {
	flags := trace.TraceFlags(0)
	if mode == sampled {
		flags = trace.FlagsSampled
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x4b, 0xf9, 15: 0x36}, SpanID: trace.SpanID{0xf0, 7: 0xb7}, TraceFlags: flags,
	})
}

// traceparent is the header that tells of the caller.
func traceparent(mode string) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), caller(mode)), carrier)
	return carrier["traceparent"]
}

// drop is an exporter that forgets. Without a processor the SDK would not even
// record.
type drop struct{}

func (drop) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (drop) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (drop) ForceFlush(context.Context) error                { return nil }
func (drop) Shutdown(context.Context) error                  { return nil }

// measure runs do, and counts the processor's time as well as the clock's: on a
// machine that does other things, too, the former is the steadier.
func measure(b *testing.B, do func()) {
	b.Helper()
	do() // the first request makes what the others find
	b.ReportAllocs()
	before := processorTime(b)
	for b.Loop() {
		do()
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
