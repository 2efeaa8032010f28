package middleware

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// config is what the options come to.
type config struct {
	serviceName, serviceVersion, instanceID string
	attributes                              []attribute.KeyValue

	endpoint       string
	httpClient     *http.Client
	spanExporter   sdktrace.SpanExporter
	sampler        sdktrace.Sampler
	batchDelay     time.Duration
	metricInterval time.Duration
	processors     []sdktrace.SpanProcessor

	nativeHistograms bool

	console   io.Writer
	logWriter io.Writer
	logLevel  slog.Leveler
	globals   bool
	getenv    func(string) (string, bool)
}

func newConfig(opts []Option) config {
	cfg := config{console: os.Stdout, logWriter: os.Stderr, logLevel: slog.LevelInfo, globals: true, getenv: os.LookupEnv}
	for _, opt := range opts {
		opt.apply(&cfg)
	}
	return cfg
}

// newRegistry has the metrics of the Go runtime and of the process.
func newRegistry() (*prometheus.Registry, error) {
	registry := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("register process metrics: %w", err)
		}
	}
	return registry, nil
}

// Setup makes a service's telemetry out of the options and the OTEL_*
// variables, and begins to send it. It does not wait for the collector, and
// works without one: what can't be sent is dropped and counted. A variable that
// makes no sense is ignored, and the logger says so; an error names every
// option, and every variable without which nothing could be sent, that can't be
// obeyed.
func Setup(ctx context.Context, opts ...Option) (*Telemetry, error) {
	cfg := newConfig(opts)
	env := &environment{lookup: cfg.getenv}
	env.adoptJaeger()
	p, err := newPlan(ctx, cfg, env)
	if err != nil {
		return nil, fmt.Errorf("set up telemetry: %w", err)
	}
	if err := env.err(); err != nil {
		return nil, fmt.Errorf("set up telemetry: %w", err)
	}
	registry, err := newRegistry()
	if err != nil {
		return nil, err
	}
	items, err := newOutletCounter(registry)
	if err != nil {
		return nil, err
	}
	meters, err := newMeterProvider(registry, p.resource)
	if err != nil {
		return nil, err
	}
	t := &Telemetry{propagator: p.propagator, registry: registry, meterProvider: meters, native: p.native}
	p.start(t, cfg, items)
	for _, warning := range env.warnings {
		p.local.LogAttrs(ctx, slog.LevelWarn, "environment variable is not obeyed as it stands", slog.Any("error", warning))
	}
	if len(env.jaeger.seen) > 0 {
		p.local.LogAttrs(ctx, slog.LevelInfo, "variables of jaeger-client-go are read, OTEL_* go before them", slog.Any("variables", env.jaeger.seen))
	}
	if cfg.globals {
		t.setGlobals()
	}
	return t, nil
}
