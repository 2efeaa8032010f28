package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	otlpmetrics "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/waybill-dev/waybill/middleware"
	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// pushed is a metric as it was sent last.
func (r *receiver) pushed(name string) *otlpmetrics.Metric {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found *otlpmetrics.Metric
	for _, rm := range r.metrics {
		for _, m := range rm.GetScopeMetrics()[0].GetMetrics() {
			if m.GetName() == name {
				found = m
			}
		}
	}
	return found
}

// scraped is a family as a Prometheus that knows native histograms scrapes it.
func scraped(t *testing.T, tel *middleware.Telemetry, name string) *dto.MetricFamily {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	tel.MetricsHandler().ServeHTTP(w, r)
	decoder := expfmt.NewDecoder(w.Body, expfmt.ResponseFormat(w.Header()))
	for {
		var family dto.MetricFamily
		if err := decoder.Decode(&family); err != nil {
			t.Fatalf("no family %s: %v", name, err)
		}
		if family.GetName() == name {
			return &family
		}
	}
}

// What libraries measure by OpenTelemetry's API is served and sent, and so are
// the Go runtime's metrics of the conventions.
func TestMetricsOfOpenTelemetrysAPIAreServedAndSent(t *testing.T) {
	collector := newReceiver(t)
	tel := setup(t, middleware.WithEndpoint(collector.URL))
	counter, err := tel.MeterProvider().Meter("test").Int64Counter("shop.orders.placed", metric.WithUnit("{order}"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3000 {
		counter.Add(t.Context(), 1, metric.WithAttributes(attribute.String("customer", strconv.Itoa(i))))
	}
	served := exposition(t, tel)
	for _, want := range []string{"go_goroutine_count", "go_memory_used_bytes", "go_config_gogc_percent", "shop_orders_placed_total{"} {
		if !strings.Contains(served, want) {
			t.Errorf("%s is not served", want)
		}
	}
	if n := strings.Count(served, "\nshop_orders_placed_total{"); n != 2000 {
		t.Errorf("%d series of a metric with a label for each customer are served, want 2000", n)
	}
	flush(t, tel)
	for _, want := range []string{"go_goroutine_count", "shop_orders_placed_total"} {
		if collector.pushed(want) == nil {
			t.Errorf("%s is not sent", want)
		}
	}
}

func TestNativeHistogramsAreServedAndSent(t *testing.T) {
	const variable = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"
	for name, test := range map[string]struct {
		env    []string
		opts   []middleware.Option
		native bool
	}{
		"neither":     {},
		"explicit":    {env: []string{variable, "explicit_bucket_histogram"}},
		"nonsense":    {env: []string{variable, "x"}},
		"environment": {env: []string{variable, "base2_exponential_bucket_histogram"}, native: true},
		"option":      {opts: []middleware.Option{middleware.WithNativeHistograms()}, native: true},
	} {
		collector := newReceiver(t)
		tel := setup(t, append(test.opts, middleware.WithEndpoint(collector.URL), middleware.WithGetenv(environ(test.env...)))...)
		observe, err := httpmw.NewMiddleware(httpmw.WithTelemetry(tel))
		if err != nil {
			t.Fatal(err)
		}
		observe(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		h := scraped(t, tel, "http_server_request_duration_seconds").GetMetric()[0].GetHistogram()
		if len(h.GetBucket()) == 0 || (len(h.GetPositiveDelta()) > 0) != test.native {
			t.Errorf("%s: served are %d classic and %d native buckets", name, len(h.GetBucket()), len(h.GetPositiveDelta()))
		}
		flush(t, tel)
		sent := collector.pushed("http.server.request.duration")
		if got := sent.GetExponentialHistogram() != nil; got != test.native || (sent.GetHistogram() != nil) == test.native {
			t.Errorf("%s: sent is an exponential histogram: %v", name, got)
		}
		if point := sent.GetExponentialHistogram().GetDataPoints(); test.native && (len(point) != 1 || len(point[0].GetExemplars()) != 1 || point[0].GetCount() != 1) {
			t.Errorf("%s: sent is %v, want one observation with its exemplar", name, point)
		}
	}
}

// The request that is measured may end its context's life as ever: nothing
// of it is kept by the metrics.
func TestMeterKeepsNoContext(t *testing.T) {
	tel := setup(t)
	histogram, err := tel.MeterProvider().Meter("test").Float64Histogram("shop.order.value")
	if err != nil {
		t.Fatal(err)
	}
	ctx, span := tel.TracerProvider().Tracer("test").Start(t.Context(), "request")
	histogram.Record(ctx, 1)
	span.End()
	if h := scraped(t, tel, "shop_order_value").GetMetric()[0].GetHistogram(); h.GetSampleCount() != 1 || strings.Contains(h.String(), span.SpanContext().TraceID().String()) {
		t.Errorf("histogram is %v, want one observation, and no exemplar, which would keep the context", h)
	}
}
