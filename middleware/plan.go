package middleware

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/waybill-dev/waybill/middleware/internal/otlp"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
	"github.com/waybill-dev/waybill/middleware/internal/strategy"
)

// plan is what Setup is to start, all of it checked.
type plan struct {
	resource   *resource.Resource
	propagator propagation.TextMapPropagator
	sampler    sdktrace.Sampler
	// remote asks for the sampler's strategy, or is nil.
	remote   *strategy.Remote
	disabled bool
	// local writes what must not make anything to be sent.
	local *slog.Logger

	clients map[signal]*otlp.Client
	// console writes spans, or is nil.
	console                       sdktrace.SpanProcessor
	spanQueue, logQueue           queueLimits
	metricInterval, metricTimeout time.Duration
	// native has histograms with native buckets, too.
	native bool
}

func newPlan(ctx context.Context, cfg config, env *environment) (plan, error) {
	res, err := newResource(ctx, cfg, env)
	if err != nil {
		return plan{}, err
	}
	p := plan{
		resource: res, propagator: newPropagator(env),
		local:          slog.New(newLogHandler(cfg.logWriter, cfg.logLevel, nil)),
		disabled:       env.flag("OTEL_SDK_DISABLED"),
		clients:        map[signal]*otlp.Client{},
		spanQueue:      readQueueLimits(env, "OTEL_BSP", 5*time.Second),
		logQueue:       readQueueLimits(env, "OTEL_BLRP", time.Second),
		metricInterval: env.milliseconds(time.Minute, "OTEL_METRIC_EXPORT_INTERVAL"),
		metricTimeout:  env.milliseconds(30*time.Second, "OTEL_METRIC_EXPORT_TIMEOUT"),
	}
	p.sampler, p.remote = p.newSampler(cfg, env)
	const explicit, exponential = "explicit_bucket_histogram", "base2_exponential_bucket_histogram"
	p.native = cfg.nativeHistograms || exponential == env.choice(explicit, []string{explicit, exponential},
		"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION")
	if cfg.metricInterval > 0 {
		p.metricInterval = cfg.metricInterval
	}
	if cfg.batchDelay > 0 {
		p.spanQueue.delay, p.logQueue.delay = cfg.batchDelay, cfg.batchDelay
	}
	for _, s := range []signal{traces, metrics, logs} {
		toCollector, toConsole := s.wanted(env)
		if p.disabled || s == traces && cfg.spanExporter != nil {
			continue
		}
		if toCollector {
			p.clients[s] = s.newClient(cfg, env)
		}
		if s == traces && toConsole {
			if p.console, err = newConsole(cfg.console); err != nil {
				return plan{}, err
			}
		}
	}
	return p, nil
}

// start starts the goroutines that Shutdown ends.
func (p plan) start(t *Telemetry, cfg config, items *prometheus.CounterVec) {
	out := func(s signal) *outlet {
		o := &outlet{signal: s, client: p.clients[s], items: items, logger: p.local}
		t.outlets = append(t.outlets, o)
		return o
	}
	scope := instrumentation.Scope{Name: ScopeName}
	p.startTraces(t, cfg, out(traces))
	if p.clients[metrics] != nil {
		encode := otlp.Metrics{Resource: p.resource, Scope: scope, Started: time.Now(), Origins: semconv.NewOrigins(), Native: p.native}
		t.senders = append(t.senders, startPusher(t.registry, encode, out(metrics), p.metricInterval, p.metricTimeout))
	}
	t.logger = p.local
	if p.clients[logs] != nil {
		o := out(logs)
		queue := startQueue(p.logQueue, func(ctx context.Context, records [][]byte) {
			o.deliver(ctx, otlp.AppendLogs(nil, p.resource, scope, records), len(records))
		}, o.dropped)
		t.senders = append(t.senders, queue)
		t.logger = slog.New(newLogHandler(cfg.logWriter, cfg.logLevel, queue))
	}
}

// startTraces makes the tracer provider; when the SDK is disabled, one that
// records nothing.
func (p plan) startTraces(t *Telemetry, cfg config, o *outlet) {
	if p.disabled {
		t.tracerProvider = noop.NewTracerProvider()
		return
	}
	t.early = cfg.sampler != nil || len(cfg.processors) > 0
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(p.resource), sdktrace.WithSampler(debugSampler{p.sampler})}
	for _, processor := range cfg.processors {
		options = append(options, sdktrace.WithSpanProcessor(processor))
	}
	send := o.sendSpans(p.resource)
	if cfg.spanExporter != nil {
		send = o.exportSpans(cfg.spanExporter)
	}
	if cfg.spanExporter != nil || p.clients[traces] != nil {
		options = append(options, sdktrace.WithSpanProcessor(newSpanProcessor(p.spanQueue, send, o.dropped)))
	}
	if p.console != nil {
		options = append(options, sdktrace.WithSpanProcessor(p.console))
	}
	if p.remote != nil {
		p.remote.Start()
		t.senders = append(t.senders, p.remote)
	}
	provider := sdktrace.NewTracerProvider(options...)
	t.tracerProvider = rootProvider{provider}
	t.senders = append(t.senders, traceSender{provider: provider, exporter: cfg.spanExporter})
}

// traceSender shuts down the exporter that was given, too.
type traceSender struct {
	provider *sdktrace.TracerProvider
	exporter sdktrace.SpanExporter
}

func (s traceSender) Flush(ctx context.Context) error { return s.provider.ForceFlush(ctx) }

func (s traceSender) Shutdown(ctx context.Context) error {
	err := s.provider.Shutdown(ctx)
	if s.exporter != nil {
		err = errors.Join(err, s.exporter.Shutdown(ctx))
	}
	return err
}
