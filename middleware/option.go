package middleware

import (
	"io"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Option changes what Setup makes. What code says goes before what the
// environment says: leave an option out to let the environment decide.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// WithServiceName sets service.name. Without it OTEL_SERVICE_NAME decides, then
// service.name of OTEL_RESOURCE_ATTRIBUTES, then the name of the executable.
func WithServiceName(name string) Option {
	return optionFunc(func(c *config) { c.serviceName = name })
}

// WithServiceVersion sets service.version.
func WithServiceVersion(version string) Option {
	return optionFunc(func(c *config) { c.serviceVersion = version })
}

// WithServiceInstanceID sets service.instance.id, which is otherwise a random
// UUID. Prometheus makes the label instance of it.
func WithServiceInstanceID(id string) Option {
	return optionFunc(func(c *config) { c.instanceID = id })
}

// WithResourceAttributes adds to what describes the service.
func WithResourceAttributes(attributes ...attribute.KeyValue) Option {
	return optionFunc(func(c *config) { c.attributes = append(c.attributes, attributes...) })
}

// WithEndpoint sets where spans, metrics and logs are sent, as in
// http://127.0.0.1:4318; /v1/traces and its like are appended.
func WithEndpoint(url string) Option {
	return optionFunc(func(c *config) { c.endpoint = url })
}

// WithBatchDelay sets how long spans and log records wait for others before
// they are sent. Otherwise OTEL_BSP_SCHEDULE_DELAY and OTEL_BLRP_SCHEDULE_DELAY
// decide; without them spans wait for 5 s and log records for 1 s.
func WithBatchDelay(delay time.Duration) Option {
	return optionFunc(func(c *config) { c.batchDelay = delay })
}

// WithMetricInterval sets how often metrics are sent, a minute otherwise, or
// what OTEL_METRIC_EXPORT_INTERVAL says.
func WithMetricInterval(interval time.Duration) Option {
	return optionFunc(func(c *config) { c.metricInterval = interval })
}

// WithSpanExporter has spans exported by another exporter, OpenTelemetry's for
// gRPC for instance; Shutdown shuts it down too. Metrics and logs go their way
// as before.
func WithSpanExporter(exporter sdktrace.SpanExporter) Option {
	return optionFunc(func(c *config) { c.spanExporter = exporter })
}

// WithSampler chooses which traces are recorded.
func WithSampler(sampler sdktrace.Sampler) Option {
	return optionFunc(func(c *config) { c.sampler = sampler })
}

// WithSpanProcessor adds a processor beside the one that exports.
func WithSpanProcessor(processor sdktrace.SpanProcessor) Option {
	return optionFunc(func(c *config) { c.processors = append(c.processors, processor) })
}

// WithConsole sets where spans are written as JSON, one to a line, if
// OTEL_TRACES_EXPORTER has the word console; otherwise it is os.Stdout. Lines
// of several spans do not mix.
func WithConsole(w io.Writer) Option {
	return optionFunc(func(c *config) { c.console = w })
}

// WithLogWriter sets where the logger writes its lines of JSON, os.Stderr
// otherwise; nil for nowhere.
func WithLogWriter(w io.Writer) Option {
	return optionFunc(func(c *config) {
		if c.logWriter = w; w == nil {
			c.logWriter = io.Discard
		}
	})
}

// WithLogLevel sets the least level that is written and sent, otherwise info.
func WithLogLevel(level slog.Leveler) Option {
	return optionFunc(func(c *config) { c.logLevel = level })
}

// WithHTTPClient has the OTLP requests sent by that client, in place of the one
// that the OTEL_EXPORTER_OTLP_*CERTIFICATE variables configure.
func WithHTTPClient(client *http.Client) Option {
	return optionFunc(func(c *config) { c.httpClient = client })
}

// WithNativeHistograms gives histograms native buckets beside the classic ones,
// and has them sent as exponential histograms. A Prometheus that scrapes native
// histograms then takes the classic buckets only if it is told to, by
// always_scrape_classic_histograms. Otherwise
// OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION decides.
func WithNativeHistograms() Option {
	return optionFunc(func(c *config) { c.nativeHistograms = true })
}

// WithoutGlobals leaves OpenTelemetry's global tracer and meter providers and
// propagator alone.
func WithoutGlobals() Option {
	return optionFunc(func(c *config) { c.globals = false })
}

// WithGetenv replaces os.LookupEnv.
func WithGetenv(getenv func(name string) (value string, set bool)) Option {
	return optionFunc(func(c *config) { c.getenv = getenv })
}
