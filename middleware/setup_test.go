package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlpmetrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/middleware"
	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// setup makes telemetry that is shut down at the test's end.
func setup(t *testing.T, opts ...middleware.Option) *middleware.Telemetry {
	t.Helper()
	opts = append([]middleware.Option{middleware.WithoutGlobals(), middleware.WithLogWriter(nil), middleware.WithGetenv(environ())}, opts...)
	tel, err := middleware.Setup(t.Context(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tel.Shutdown(t.Context()) })
	return tel
}

func attributesOf(list []*common.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range list {
		if s, isString := kv.GetValue().GetValue().(*common.AnyValue_StringValue); isString {
			m[kv.GetKey()] = s.StringValue
			continue
		}
		m[kv.GetKey()] = kv.GetValue().String()
	}
	return m
}

func TestSpansMetricsAndLogsReachTheCollector(t *testing.T) {
	collector := newReceiver(t)
	var lines bytes.Buffer
	tel := setup(t, middleware.WithServiceName("order"), middleware.WithServiceVersion("1.2"), middleware.WithServiceInstanceID("order-1"),
		middleware.WithEndpoint(collector.URL), middleware.WithLogWriter(&lines))

	ctx, span := tel.TracerProvider().Tracer("test").Start(t.Context(), "place order", trace.WithSpanKind(trace.SpanKindServer))
	span.SetAttributes(attribute.Int("items", 3))
	span.SetStatus(codes.Error, "out of stock")
	tel.Logger().With("user", 7).WithGroup("g").InfoContext(ctx, "hello", "item", "tea")
	span.End()
	requests := prometheus.NewCounter(prometheus.CounterOpts{Name: "shop_orders_total", Help: "Orders."})
	tel.Registerer().MustRegister(requests)
	requests.Add(5)
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}

	collector.mu.Lock()
	defer collector.mu.Unlock()
	if len(collector.spans) != 1 || len(collector.metrics) != 1 || len(collector.logs) != 1 {
		t.Fatalf("got %d batches of spans, %d of metrics, %d of logs; want one each", len(collector.spans), len(collector.metrics), len(collector.logs))
	}
	resource := attributesOf(collector.spans[0].GetResource().GetAttributes())
	for key, want := range map[string]string{
		"service.name": "order", "service.version": "1.2", "service.instance.id": "order-1",
		"telemetry.sdk.language": "go", "telemetry.sdk.name": "opentelemetry", "telemetry.distro.name": "waybill",
	} {
		if resource[key] != want {
			t.Errorf("resource attribute %s = %q, want %q", key, resource[key], want)
		}
	}
	sent := collector.spans[0].GetScopeSpans()[0].GetSpans()[0]
	if sent.GetName() != "place order" || sent.GetStatus().GetMessage() != "out of stock" || sent.GetKind() != 2 {
		t.Errorf("span = %v", sent)
	}
	record := collector.logs[0].GetScopeLogs()[0].GetLogRecords()[0]
	if record.GetBody().GetStringValue() != "hello" || !bytes.Equal(record.GetTraceId(), sent.GetTraceId()) || !bytes.Equal(record.GetSpanId(), sent.GetSpanId()) {
		t.Errorf("log record = %v", record)
	}
	var line map[string]any
	if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line["trace_id"] != span.SpanContext().TraceID().String() || line["span_id"] != span.SpanContext().SpanID().String() || line["user"] != 7.0 {
		t.Errorf("log line = %s", lines.String())
	}
	if got := sumOf(t, collector.metrics, "shop_orders_total"); got != 5 {
		t.Errorf("shop_orders_total = %v, want 5", got)
	}
}

func sumOf(t *testing.T, list []*otlpmetrics.ResourceMetrics, name string) float64 {
	t.Helper()
	for _, rm := range list {
		for _, metric := range rm.GetScopeMetrics()[0].GetMetrics() {
			if metric.GetName() == name {
				return metric.GetSum().GetDataPoints()[0].GetAsDouble()
			}
		}
	}
	t.Errorf("no metric %s was sent", name)
	return 0
}

func TestShutdownTwiceAndAfterwards(t *testing.T) {
	collector := newReceiver(t)
	tel := setup(t, middleware.WithEndpoint(collector.URL))
	for range 2 {
		if err := tel.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_, span := tel.TracerProvider().Tracer("test").Start(t.Context(), "late")
	span.End()
	tel.Logger().Info("late")
}

func TestCollectorAwayLosesCountsAndSaysSo(t *testing.T) {
	var lines bytes.Buffer
	tel := setup(t, middleware.WithEndpoint("http://127.0.0.1:1"), middleware.WithLogWriter(&lines),
		middleware.WithGetenv(environ("OTEL_EXPORTER_OTLP_TIMEOUT", "100", "OTEL_METRICS_EXPORTER", "none", "OTEL_LOGS_EXPORTER", "none")))
	_, span := tel.TracerProvider().Tracer("test").Start(t.Context(), "lost")
	span.End()
	if err := tel.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text := exposition(t, tel); !strings.Contains(text, `waybill_middleware_export_items_total{outcome="failed",signal="traces"} 1`) {
		t.Error("the lost span isn't counted")
	}
	if !strings.Contains(lines.String(), "telemetry is lost") {
		t.Errorf("log = %q", lines.String())
	}
}

// exposition is what a scrape gets, in OpenMetrics.
func exposition(t *testing.T, tel *middleware.Telemetry) string {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	tel.MetricsHandler().ServeHTTP(w, r)
	return w.Body.String()
}

func TestFullQueueDropsAndDoesNotBlock(t *testing.T) {
	collector := newReceiver(t)
	release := make(chan struct{})
	collector.answer = func(http.ResponseWriter, *http.Request) bool { <-release; return false }
	tel := setup(t, middleware.WithEndpoint(collector.URL), middleware.WithGetenv(environ(
		"OTEL_BSP_MAX_QUEUE_SIZE", "10", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5", "OTEL_METRICS_EXPORTER", "none", "OTEL_LOGS_EXPORTER", "none")))
	const made = 1000
	began := time.Now()
	for range made {
		_, span := tel.TracerProvider().Tracer("test").Start(t.Context(), "span")
		span.End()
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("%d spans took %v while the collector hung", made, took)
	}
	close(release)
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(exposition(t, tel), `outcome="queue_full",signal="traces"`) {
		t.Error("no drop was counted")
	}
}

func TestScrapeInOpenMetricsHasExemplars(t *testing.T) {
	tel := setup(t, middleware.WithGetenv(environ("OTEL_TRACES_EXPORTER", "none", "OTEL_METRICS_EXPORTER", "none", "OTEL_LOGS_EXPORTER", "none")))
	observe, err := httpmw.NewMiddleware(httpmw.WithTelemetry(tel))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	observe(http.NewServeMux()).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	text := exposition(t, tel)
	if want := `trace_id="` + w.Header().Get("X-Trace-Id") + `"`; w.Header().Get("X-Trace-Id") == "" || !strings.Contains(text, want) {
		t.Errorf("no exemplar %s in\n%s", want, text)
	}
	if !strings.HasSuffix(text, "# EOF\n") {
		t.Error("the scrape is no OpenMetrics")
	}
	tel.MetricsHandler() // a second handler is no error
}

func TestSpanExporterOfTheCallersTakesTheSpans(t *testing.T) {
	collector := newReceiver(t)
	exporter := tracetest.NewInMemoryExporter()
	closed := &closingExporter{InMemoryExporter: exporter}
	tel := setup(t, middleware.WithEndpoint(collector.URL), middleware.WithSpanExporter(closed),
		middleware.WithGetenv(environ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")))
	started(t.Context(), tel, "span")
	flush(t, tel)
	if spans := exporter.GetSpans(); len(spans) != 1 || spans[0].Name != "span" {
		t.Errorf("exported: %v", spans)
	}
	if err := tel.Shutdown(t.Context()); err != nil || !closed.closed {
		t.Errorf("Shutdown: %v, exporter shut down %v", err, closed.closed)
	}
	collector.mu.Lock()
	defer collector.mu.Unlock()
	if len(collector.spans) != 0 || len(collector.metrics) == 0 {
		t.Errorf("the collector got %d batches of spans, %d of metrics; want none and some", len(collector.spans), len(collector.metrics))
	}
}

type closingExporter struct {
	*tracetest.InMemoryExporter
	closed bool
}

func (e *closingExporter) Shutdown(context.Context) error {
	e.closed = true
	return nil
}

func TestPartlyRejectedIsCounted(t *testing.T) {
	collector := newReceiver(t)
	collector.answer = func(w http.ResponseWriter, _ *http.Request) bool {
		answer, err := proto.Marshal(&collectortrace.ExportTraceServiceResponse{
			PartialSuccess: &collectortrace.ExportTracePartialSuccess{RejectedSpans: 1, ErrorMessage: "no ids"},
		})
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(answer)
		return true
	}
	var lines bytes.Buffer
	tel := setup(t, middleware.WithEndpoint(collector.URL), middleware.WithLogWriter(&lines),
		middleware.WithGetenv(environ("OTEL_METRICS_EXPORTER", "none", "OTEL_LOGS_EXPORTER", "none")))
	for range 3 {
		started(t.Context(), tel, "span")
	}
	flush(t, tel)
	text := exposition(t, tel)
	for _, want := range []string{`outcome="rejected",signal="traces"} 1`, `outcome="sent",signal="traces"} 2`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	if !strings.Contains(lines.String(), "no ids") {
		t.Errorf("log = %s", lines.String())
	}
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	collector := newReceiver(t)
	release := make(chan struct{})
	defer close(release)
	collector.answer = func(http.ResponseWriter, *http.Request) bool { <-release; return true }
	tel := setup(t, middleware.WithEndpoint(collector.URL))
	started(t.Context(), tel, "span")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := tel.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v, want that its time was up", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Shutdown took %v", took)
	}
}

func TestGlobals(t *testing.T) {
	tel, err := middleware.Setup(t.Context(), middleware.WithLogWriter(nil), middleware.WithGetenv(environ("OTEL_SDK_DISABLED", "true")))
	if err != nil {
		t.Fatal(err)
	}
	if otel.GetTracerProvider() != tel.TracerProvider() || len(otel.GetTextMapPropagator().Fields()) == 0 {
		t.Error("the globals are not set")
	}
}
