package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware"
)

// started begins and ends a span in a context.
func started(ctx context.Context, tel *middleware.Telemetry, name string) trace.SpanContext {
	_, span := tel.TracerProvider().Tracer("test").Start(ctx, name)
	span.End()
	return span.SpanContext()
}

func flush(t *testing.T, tel *middleware.Telemetry) {
	t.Helper()
	if err := tel.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestResourceObeysTheEnvironment(t *testing.T) {
	const attributes = "service.name=from-attributes, service.version=0.9,team=a%20b+c"
	for name, test := range map[string]struct {
		env  []string
		opts []middleware.Option
		want map[string]string
	}{
		"nothing is said": {want: map[string]string{"service.name": "unknown_service:" + filepath.Base(os.Args[0])}},
		"attributes": {
			env:  []string{"OTEL_RESOURCE_ATTRIBUTES", attributes},
			want: map[string]string{"service.name": "from-attributes", "service.version": "0.9", "team": "a b+c"},
		},
		"OTEL_SERVICE_NAME before attributes": {
			env:  []string{"OTEL_RESOURCE_ATTRIBUTES", attributes, "OTEL_SERVICE_NAME", "from-name"},
			want: map[string]string{"service.name": "from-name", "team": "a b+c"},
		},
		"options before all": {
			env: []string{"OTEL_RESOURCE_ATTRIBUTES", attributes, "OTEL_SERVICE_NAME", "from-name"},
			opts: []middleware.Option{
				middleware.WithServiceName("from-option"), middleware.WithServiceInstanceID("i-1"),
				middleware.WithResourceAttributes(attribute.String("team", "b")),
			},
			want: map[string]string{"service.name": "from-option", "service.instance.id": "i-1", "service.version": "0.9", "team": "b"},
		},
		"malformed attributes are no attributes": {
			env:  []string{"OTEL_RESOURCE_ATTRIBUTES", "team=a,nonsense", "OTEL_SERVICE_NAME", "from-name"},
			want: map[string]string{"service.name": "from-name", "team": ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			collector := newReceiver(t)
			tel := setup(t, append(test.opts, middleware.WithEndpoint(collector.URL), middleware.WithGetenv(environ(test.env...)))...)
			started(t.Context(), tel, "span")
			flush(t, tel)
			collector.mu.Lock()
			defer collector.mu.Unlock()
			got := attributesOf(collector.spans[0].GetResource().GetAttributes())
			for key, want := range test.want {
				if got[key] != want {
					t.Errorf("%s = %q, want %q", key, got[key], want)
				}
			}
			if got["service.instance.id"] == "" {
				t.Error("no service.instance.id")
			}
		})
	}
}

// The process's own environment is not Setup's, when it was given another.
func TestOtherEnvironmentDoesNotLeakIn(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "leaked=yes")
	collector := newReceiver(t)
	tel := setup(t, middleware.WithEndpoint(collector.URL))
	started(t.Context(), tel, "span")
	flush(t, tel)
	collector.mu.Lock()
	defer collector.mu.Unlock()
	if got := attributesOf(collector.spans[0].GetResource().GetAttributes())["leaked"]; got != "" {
		t.Errorf("leaked = %q", got)
	}
}

func TestExporterObeysTheEnvironment(t *testing.T) {
	for name, test := range map[string]struct {
		env    func(url string) []string
		paths  []string
		header map[string]string // of the spans' request
	}{
		"endpoint": {
			env:   func(url string) []string { return []string{"OTEL_EXPORTER_OTLP_ENDPOINT", url + "/otlp/"} },
			paths: []string{"/otlp/v1/logs", "/otlp/v1/metrics", "/otlp/v1/traces"},
		},
		"endpoint of a signal is the whole URL": {
			env: func(url string) []string {
				return []string{"OTEL_EXPORTER_OTLP_ENDPOINT", url, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url + "/own/traces"}
			},
			paths: []string{"/own/traces", "/v1/logs", "/v1/metrics"},
		},
		"headers and compression": {
			env: func(url string) []string {
				return []string{
					"OTEL_EXPORTER_OTLP_ENDPOINT", url, "OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%2Cb, x-scope-orgid=7",
					"OTEL_EXPORTER_OTLP_COMPRESSION", "gzip",
				}
			},
			paths:  []string{"/v1/logs", "/v1/metrics", "/v1/traces"},
			header: map[string]string{"Api-Key": "a,b", "X-Scope-Orgid": "7", "Content-Encoding": "gzip", "Content-Type": "application/x-protobuf"},
		},
		"a signal's own before the general": {
			env: func(url string) []string {
				return []string{
					"OTEL_EXPORTER_OTLP_ENDPOINT", url, "OTEL_EXPORTER_OTLP_HEADERS", "api-key=general",
					"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=own", "OTEL_EXPORTER_OTLP_COMPRESSION", "gzip",
					"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none",
				}
			},
			paths:  []string{"/v1/logs", "/v1/metrics", "/v1/traces"},
			header: map[string]string{"Api-Key": "own", "Content-Encoding": ""},
		},
		"only spans": {
			env: func(url string) []string {
				return []string{"OTEL_EXPORTER_OTLP_ENDPOINT", url, "OTEL_METRICS_EXPORTER", "prometheus", "OTEL_LOGS_EXPORTER", "None"}
			},
			paths: []string{"/v1/traces"},
		},
		"several exporters": {
			env: func(url string) []string {
				return []string{"OTEL_EXPORTER_OTLP_ENDPOINT", url, "OTEL_METRICS_EXPORTER", "prometheus,otlp", "OTEL_LOGS_EXPORTER", "none"}
			},
			paths: []string{"/v1/metrics", "/v1/traces"},
		},
		"disabled": {
			env: func(url string) []string {
				return []string{"OTEL_EXPORTER_OTLP_ENDPOINT", url, "OTEL_SDK_DISABLED", "True"}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			collector := newReceiver(t)
			tel := setup(t, middleware.WithGetenv(environ(test.env(collector.URL)...)))
			started(t.Context(), tel, "span")
			tel.Logger().InfoContext(t.Context(), "hello")
			flush(t, tel)
			collector.mu.Lock()
			defer collector.mu.Unlock()
			paths := slices.Sorted(slices.Values(collector.paths))
			if !slices.Equal(paths, test.paths) {
				t.Errorf("requests to %q, want %q", paths, test.paths)
			}
			for i, path := range collector.paths {
				for key, want := range test.header {
					if got := collector.headers[i].Get(key); strings.HasSuffix(path, "traces") && got != want {
						t.Errorf("header %s = %q, want %q", key, got, want)
					}
				}
			}
		})
	}
}

// TestConsoleHasTheSpans writes spans where somebody looks, and sends them if
// that was asked for, too.
func TestConsoleHasTheSpans(t *testing.T) {
	for words, want := range map[string][]string{
		"console": nil, "Console, otlp": {"/v1/traces"}, "otlp": {"/v1/traces"},
	} {
		collector := newReceiver(t)
		var console, lines bytes.Buffer
		tel := setup(t, middleware.WithConsole(&console), middleware.WithLogWriter(&lines), middleware.WithGetenv(environ(
			"OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL, "OTEL_TRACES_EXPORTER", words, "OTEL_LOGS_EXPORTER", "console", "OTEL_METRICS_EXPORTER", "none")))
		id := started(t.Context(), tel, "placed order").TraceID().String()
		tel.Logger().InfoContext(t.Context(), "hello")
		flush(t, tel)
		collector.mu.Lock()
		if !slices.Equal(collector.paths, want) {
			t.Errorf("%s: requests to %q, want %q", words, collector.paths, want)
		}
		collector.mu.Unlock()
		var written struct {
			Name        string
			SpanContext struct{ TraceID string }
		}
		if words == "otlp" {
			if console.Len() > 0 {
				t.Errorf("%s: the console has %s", words, &console)
			}
		} else if err := json.Unmarshal(console.Bytes(), &written); err != nil || written.Name != "placed order" || written.SpanContext.TraceID != id {
			t.Errorf("%s: the console has %s, %v", words, &console, err)
		}
		if log := lines.String(); strings.Contains(log, "WARN") || strings.Count(log, "hello") != 1 {
			t.Errorf("%s: the log has %s", words, log)
		}
	}
}

func TestDisabledStillPassesOnTheTraceAndServesMetrics(t *testing.T) {
	tel := setup(t, middleware.WithGetenv(environ("OTEL_SDK_DISABLED", "true")))
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	ctx := tel.Propagator().Extract(t.Context(), propagation.MapCarrier{"traceparent": parent})
	ctx, span := tel.TracerProvider().Tracer("test").Start(ctx, "span")
	if span.IsRecording() {
		t.Error("a span records")
	}
	sent := propagation.MapCarrier{}
	tel.Propagator().Inject(ctx, sent)
	if sent["traceparent"] != parent {
		t.Errorf("traceparent = %q, want %q", sent["traceparent"], parent)
	}
	if !strings.Contains(exposition(t, tel), "go_goroutines") {
		t.Error("no metrics are served")
	}
}

func TestSamplerObeysTheEnvironment(t *testing.T) {
	sampled := trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0: 1, 15: 1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled, Remote: true,
	}))
	unsampled := trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0: 1, 15: 1}, SpanID: trace.SpanID{1}, Remote: true,
	}))
	for _, test := range []struct {
		sampler, arg                    string
		root, afterSampled, afterNotSam bool
	}{
		{"", "", true, true, false},
		{"always_on", "", true, true, true},
		{"always_off", "", false, false, false},
		{"Parentbased_Always_Off", "", false, true, false},
		{"parentbased_always_on", "", true, true, false},
		{"traceidratio", "0", false, false, false},
		{"traceidratio", "1", true, true, true},
		{"traceidratio", "nonsense", true, true, true},
		{"parentbased_traceidratio", "0", false, true, false},
		{"ratelimiting", "0", false, false, false},
		{"ratelimiting", "many", true, true, true},
		{"parentbased_ratelimiting", "1", true, true, false},
		{"nonsense", "", true, true, false},
	} {
		tel := setup(t, middleware.WithGetenv(environ("OTEL_TRACES_SAMPLER", test.sampler, "OTEL_TRACES_SAMPLER_ARG", test.arg,
			"OTEL_TRACES_EXPORTER", "none", "OTEL_METRICS_EXPORTER", "none", "OTEL_LOGS_EXPORTER", "none")))
		for name, in := range map[string]struct {
			ctx  context.Context
			want bool
		}{"root": {t.Context(), test.root}, "sampled": {sampled, test.afterSampled}, "not sampled": {unsampled, test.afterNotSam}} {
			if got := started(in.ctx, tel, "span").IsSampled(); got != in.want {
				t.Errorf("%s(%s), %s: sampled = %v, want %v", test.sampler, test.arg, name, got, in.want)
			}
		}
	}
}

func TestPropagatorsObeyTheEnvironment(t *testing.T) {
	const traceID, spanID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	headers := map[string]propagation.MapCarrier{
		"w3c":    {"traceparent": "00-" + traceID + "-" + spanID + "-01"},
		"b3":     {"b3": traceID + "-" + spanID + "-1"},
		"multi":  {"x-b3-traceid": traceID, "x-b3-spanid": spanID, "x-b3-sampled": "1"},
		"jaeger": {"uber-trace-id": traceID + ":" + spanID + ":0:1"},
		"plain":  {"x-trace-id": traceID, "x-parent-span-id": spanID},
	}
	for _, test := range []struct {
		names string
		reads []string
		write []string
	}{
		{"", []string{"w3c"}, []string{"traceparent"}},
		{"tracecontext,baggage,b3, jaeger,tracecontext", []string{"w3c", "b3", "multi", "jaeger"}, []string{"b3", "traceparent", "uber-trace-id"}},
		{"B3MULTI", []string{"b3", "multi"}, []string{"x-b3-sampled", "x-b3-spanid", "x-b3-traceid"}},
		{"tracecontext,plain", []string{"w3c", "plain"}, []string{"traceparent", "x-parent-span-id", "x-trace-id"}},
		{"tracecontext,nonsense", []string{"w3c"}, []string{"traceparent"}},
		{"none", nil, nil},
	} {
		tel := setup(t, middleware.WithGetenv(environ("OTEL_PROPAGATORS", test.names)))
		for name, header := range headers {
			sc := trace.SpanContextFromContext(tel.Propagator().Extract(t.Context(), header))
			if want := slices.Contains(test.reads, name); sc.IsValid() != want || want && sc.TraceID().String() != traceID {
				t.Errorf("%q reads %s: %v, want %v", test.names, name, sc.IsValid(), want)
			}
		}
		sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: 1})
		written := propagation.MapCarrier{}
		tel.Propagator().Inject(trace.ContextWithSpanContext(t.Context(), sc), written)
		if keys := slices.Sorted(slices.Values(written.Keys())); !slices.Equal(keys, test.write) {
			t.Errorf("%q writes %q, want %q", test.names, keys, test.write)
		}
	}
}

func TestJaegerDebugIDForcesARecord(t *testing.T) {
	collector := newReceiver(t)
	tel := setup(t, middleware.WithGetenv(environ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL,
		"OTEL_TRACES_SAMPLER", "always_off", "OTEL_PROPAGATORS", "jaeger")))
	ctx := tel.Propagator().Extract(t.Context(), propagation.HeaderCarrier(http.Header{"Jaeger-Debug-Id": {"case 7"}}))
	if !started(ctx, tel, "asked for").IsSampled() || started(t.Context(), tel, "not").IsSampled() {
		t.Error("not the one that was asked for, and only that, is sampled")
	}
	flush(t, tel)
	collector.mu.Lock()
	defer collector.mu.Unlock()
	span := collector.spans[0].GetScopeSpans()[0].GetSpans()[0]
	if got := attributesOf(span.GetAttributes())["jaeger-debug-id"]; got != "case 7" {
		t.Errorf("jaeger-debug-id = %q", got)
	}
}

func TestNonsenseIsIgnoredWithAWarning(t *testing.T) {
	nonsense := []string{
		"OTEL_RESOURCE_ATTRIBUTES", "x", "OTEL_TRACES_SAMPLER", "x", "OTEL_PROPAGATORS", "x", "OTEL_METRICS_EXPORTER", "x",
		"OTEL_BSP_SCHEDULE_DELAY", "-1", "OTEL_BSP_MAX_QUEUE_SIZE", "many", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "0",
		"OTEL_METRIC_EXPORT_INTERVAL", "1s", "OTEL_EXPORTER_OTLP_TIMEOUT", "x", "OTEL_EXPORTER_OTLP_COMPRESSION", "brotli",
	}
	var lines bytes.Buffer
	setup(t, middleware.WithLogWriter(&lines), middleware.WithGetenv(environ(nonsense...)))
	for i := 0; i < len(nonsense); i += 2 {
		if !strings.Contains(lines.String(), nonsense[i]) {
			t.Errorf("no warning of %s in\n%s", nonsense[i], lines.String())
		}
	}
}

func TestWhatNothingCouldBeSentWithoutIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	bad := []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc",
		"OTEL_EXPORTER_OTLP_HEADERS", "secret", "OTEL_EXPORTER_OTLP_CERTIFICATE", file, "OTEL_EXPORTER_OTLP_CLIENT_KEY", file,
	}
	_, err := middleware.Setup(t.Context(), middleware.WithoutGlobals(), middleware.WithGetenv(environ(bad...)))
	for _, want := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "PROTOCOL", "HEADERS", "OTLP_CERTIFICATE", "CLIENT_CERTIFICATE"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
	_, err = middleware.Setup(t.Context(), middleware.WithoutGlobals(), middleware.WithGetenv(environ()), middleware.WithEndpoint("ftp://x"))
	if err == nil || strings.Count(err.Error(), "WithEndpoint") != 1 {
		t.Errorf("WithEndpoint of another scheme: %v; want it to be told once", err)
	}
}

func TestDelaysObeyEnvironmentAndOption(t *testing.T) {
	for name, opts := range map[string][]middleware.Option{
		"environment": {middleware.WithGetenv(environ("OTEL_BSP_SCHEDULE_DELAY", "20", "OTEL_BLRP_SCHEDULE_DELAY", "20", "OTEL_METRIC_EXPORT_INTERVAL", "20"))},
		"Jaeger's": {
			middleware.WithGetenv(environ("JAEGER_REPORTER_FLUSH_INTERVAL", "20ms", "JAEGER_REPORTER_MAX_QUEUE_SIZE", "100")),
			middleware.WithMetricInterval(20 * time.Millisecond),
		},
		"options": {middleware.WithBatchDelay(20 * time.Millisecond), middleware.WithMetricInterval(20 * time.Millisecond)},
	} {
		collector := newReceiver(t)
		tel := setup(t, append(opts, middleware.WithEndpoint(collector.URL))...)
		started(t.Context(), tel, "span")
		tel.Logger().InfoContext(t.Context(), "hello")
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			collector.mu.Lock()
			done := len(collector.spans) > 0 && len(collector.metrics) > 1 && len(collector.logs) > 0
			collector.mu.Unlock()
			if done {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: not all signals were sent", name)
			}
		}
	}
}
