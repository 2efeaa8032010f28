package push

import (
	"bytes"
	"compress/gzip"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

func accept(w http.ResponseWriter, _ received) {
	status(http.StatusOK, "Content-Type", "application/x-protobuf")(w)
}

func newOTLPManual(t *testing.T, b *backend, change func(*OTLP)) *manual {
	t.Helper()
	cfg := DefaultOTLP()
	cfg.Endpoint, cfg.Attributes = b.URL+"/otlp/", map[string]string{"service.instance.id": "here", "zone": "b"}
	change(&cfg)
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return newManual(t, func(m *meters, _ *slog.Logger) (sender, error) { return newOTLP(cfg, m) })
}

// exported decodes a request.
func exported(t *testing.T, r received) *metricspb.ResourceMetrics {
	t.Helper()
	if r.path != "/otlp/v1/metrics" || r.header.Get("Content-Type") != "application/x-protobuf" {
		t.Errorf("%s, %s", r.path, r.header.Get("Content-Type"))
	}
	zipped, err := gzip.NewReader(bytes.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(zipped)
	if err != nil {
		t.Fatal(err)
	}
	var request colmetricspb.ExportMetricsServiceRequest
	if err := proto.Unmarshal(body, &request); err != nil || len(request.GetResourceMetrics()) != 1 {
		t.Fatalf("%v: %v", err, &request)
	}
	return request.GetResourceMetrics()[0]
}

func one(t *testing.T, b *backend) *metricspb.ResourceMetrics {
	t.Helper()
	requests := b.taken()
	if len(requests) != 1 {
		t.Fatalf("%d requests", len(requests))
	}
	return exported(t, requests[0])
}

func TestOTLP(t *testing.T) {
	b := newBackend(t, accept)
	m := newOTLPManual(t, b, func(*OTLP) {})
	m.shop.order("order", 0.05)
	m.shop.order("order", 2)
	m.pushNow()
	got := one(t, b)
	service := []*commonpb.KeyValue{textOf("service", "order")}
	exemplar := func(after time.Duration, value float64) *metricspb.Exemplar {
		return &metricspb.Exemplar{
			TimeUnixNano: uint64(opened.Add(after).UnixNano()), Value: &metricspb.Exemplar_AsDouble{AsDouble: value},
			TraceId: []byte("\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c"), SpanId: []byte("\xb7\xad\x6b\x71\x69\x20\x33\x31"),
		}
	}
	const cumulative = metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
	start := uint64(opened.UnixNano())
	want := &metricspb.ResourceMetrics{
		Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{
			textOf("service.instance.id", "here"), textOf("service.name", "waybill-collector"), textOf("zone", "b"),
		}},
		ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: []*metricspb.Metric{{
			Name: "calls_total", Description: "Spans that have ended.",
			Data: &metricspb.Metric_Sum{Sum: &metricspb.Sum{
				AggregationTemporality: cumulative, IsMonotonic: true, DataPoints: []*metricspb.NumberDataPoint{{
					Attributes: service, StartTimeUnixNano: start, Value: &metricspb.NumberDataPoint_AsDouble{AsDouble: 2},
					Exemplars: []*metricspb.Exemplar{exemplar(2*time.Second, 2)},
				}},
			}},
		}, {
			Name: "duration_seconds", Description: "How long they took.", Unit: "s",
			Data: &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{
				AggregationTemporality: cumulative, DataPoints: []*metricspb.HistogramDataPoint{{
					Attributes: service, StartTimeUnixNano: start, Count: 2, Sum: new(2.05),
					ExplicitBounds: []float64{0.1, 1, 2.5}, BucketCounts: []uint64{1, 0, 1, 0},
					Exemplars: []*metricspb.Exemplar{exemplar(time.Second, 0.05), exemplar(2*time.Second, 2)},
				}},
			}},
		}}}},
	}
	ignoreTime := protocmp.IgnoreFields(&metricspb.NumberDataPoint{}, "time_unix_nano")
	ignoreTimes := protocmp.IgnoreFields(&metricspb.HistogramDataPoint{}, "time_unix_nano")
	if diff := cmp.Diff(want, got, protocmp.Transform(), ignoreTime, ignoreTimes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	m.shop.close()
	m.pushNow()
	for _, metric := range one(t, b).GetScopeMetrics()[0].GetMetrics() {
		flags := uint32(0)
		for _, p := range metric.GetSum().GetDataPoints() {
			flags += p.GetFlags()
		}
		for _, p := range metric.GetHistogram().GetDataPoints() {
			if flags += p.GetFlags(); p.Sum == nil || len(p.GetExplicitBounds()) != 3 || len(p.GetBucketCounts()) != 4 {
				t.Errorf("the end of not all series: %v", p)
			}
		}
		if flags != noValue {
			t.Errorf("%v does not end", metric)
		}
	}
	m.pushNow()
	if n := len(b.taken()); n != 0 {
		t.Errorf("%d requests with nothing in them", n)
	}
	if sent, rejected, dropped, retries := m.outcomes(); sent != 4 || rejected+dropped+retries != 0 {
		t.Errorf("%v sent, %v rejected, %v dropped, %v retries", sent, rejected, dropped, retries)
	}
}

// TestOTLPExponential holds each bucket to what fell into it.
func TestOTLPExponential(t *testing.T) {
	b := newBackend(t, accept)
	m := newOTLPManual(t, b, func(c *OTLP) { c.Histograms = Exponential })
	for _, seconds := range []float64{0.011, 0.05, 0.05, 2, 2.1, 0.0121} {
		m.shop.order("order", seconds)
	}
	m.pushNow()
	metric := one(t, b).GetScopeMetrics()[0].GetMetrics()[1]
	p := metric.GetExponentialHistogram().GetDataPoints()[0]
	if p.GetScale() != 3 || p.GetCount() != 6 || p.GetZeroThreshold() != 1e-6 || len(p.GetExemplars()) != 6 {
		t.Errorf("%v", p)
	}
	got := map[string]uint64{}
	for i, n := range p.GetPositive().GetBucketCounts() {
		if n == 0 {
			continue
		}
		lower := math.Exp2(float64(int(p.GetPositive().GetOffset())+i) / 8)
		got[strconv.FormatFloat(lower, 'g', 3, 64)] = n
	}
	want := map[string]uint64{"0.0101": 1, "0.012": 1, "0.0482": 2, "1.83": 1, "2": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("by lower bound (-want +got):\n%s", diff)
	}
	m.shop.close()
	m.pushNow()
	end := one(t, b).GetScopeMetrics()[0].GetMetrics()
	if flags := end[0].GetExponentialHistogram().GetDataPoints(); len(end) != 2 || len(flags)+len(end[1].GetExponentialHistogram().GetDataPoints()) != 1 {
		t.Errorf("%v", end)
	}
}

func TestOTLPAnswers(t *testing.T) {
	partly, err := proto.Marshal(&colmetricspb.ExportMetricsServiceResponse{
		PartialSuccess: &colmetricspb.ExportMetricsPartialSuccess{RejectedDataPoints: 1, ErrorMessage: "too old"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		answers                          []func(http.ResponseWriter)
		patience                         time.Duration
		sent, rejected, dropped, retries float64
		requests                         int
	}{
		"all is well":           {nil, time.Minute, 2, 0, 0, 0, 1},
		"not now":               {[]func(http.ResponseWriter){status(http.StatusServiceUnavailable, "Retry-After", "1"), status(http.StatusTooManyRequests)}, time.Minute, 2, 0, 0, 2, 3},
		"never":                 {[]func(http.ResponseWriter){status(http.StatusBadRequest)}, time.Minute, 0, 2, 0, 0, 1},
		"an error of its own":   {[]func(http.ResponseWriter){status(http.StatusInternalServerError)}, time.Minute, 0, 2, 0, 0, 1},
		"moved":                 {[]func(http.ResponseWriter){status(http.StatusFound, "Location", "/elsewhere")}, time.Minute, 0, 2, 0, 0, 1},
		"not in time":           {[]func(http.ResponseWriter){status(http.StatusBadGateway, "Retry-After", "600")}, 100 * time.Millisecond, 0, 0, 2, 0, 1},
		"in part":               {[]func(http.ResponseWriter){func(w http.ResponseWriter) { _, _ = w.Write(partly) }}, time.Minute, 1, 1, 0, 0, 1},
		"says nothing sensible": {[]func(http.ResponseWriter){func(w http.ResponseWriter) { _, _ = w.Write([]byte("thanks")) }}, time.Minute, 2, 0, 0, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t, accept)
			m := newOTLPManual(t, b, func(*OTLP) {})
			m.shop.order("order", 0.05)
			b.next(test.answers...)
			m.pushFor(test.patience)
			sent, rejected, dropped, retries := m.outcomes()
			if sent != test.sent || rejected != test.rejected || dropped != test.dropped || retries < test.retries {
				t.Errorf("%v sent, %v rejected, %v dropped, %v retries", sent, rejected, dropped, retries)
			}
			if n := len(b.taken()); n != test.requests {
				t.Errorf("%d requests", n)
			}
			if bad := test.sent < 2 && test.rejected != 1; bad != strings.Contains(m.logged.String(), "cannot be pushed") {
				t.Errorf("logged: %s", m.logged)
			}
		})
	}
}

func TestOTLPCutsLargePushes(t *testing.T) {
	b := newBackend(t, accept)
	m := newOTLPManual(t, b, func(*OTLP) {})
	for i := range 1500 {
		m.shop.order("service-"+strconv.Itoa(i), 0.05)
	}
	m.pushNow()
	points := 0
	requests := b.taken()
	for _, r := range requests {
		for _, metric := range exported(t, r).GetScopeMetrics()[0].GetMetrics() {
			points += len(metric.GetSum().GetDataPoints()) + len(metric.GetHistogram().GetDataPoints())
		}
	}
	if len(requests) != 2 || points != 3000 {
		t.Errorf("%d points in %d requests", points, len(requests))
	}
}
