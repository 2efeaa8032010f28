package otlp_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	otlpresource "go.opentelemetry.io/proto/otlp/resource/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/waybill-dev/waybill/middleware/internal/otlp"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// The generated code of OpenTelemetry, which only tests link, decodes what the
// package encodes.

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

func integer(key string, value int64) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: value}}}
}

func integers(values ...int64) *common.AnyValue {
	list := &common.ArrayValue{}
	for _, v := range values {
		list.Values = append(list.Values, integer("", v).GetValue())
	}
	return &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: list}}
}

func sameSpans(t *testing.T, want *collectortrace.ExportTraceServiceRequest, encoded []byte) {
	t.Helper()
	var got collectortrace.ExportTraceServiceRequest
	if err := proto.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, &got, protocmp.Transform()); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestSpans(t *testing.T) {
	state, err := trace.ParseTraceState("a=1,b=2")
	if err != nil {
		t.Fatal(err)
	}
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: 3, TraceState: state})
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{3}, TraceFlags: 1, Remote: true})
	began := time.Unix(1_700_000_000, 5)
	stubs := tracetest.SpanStubs{
		{
			Name: "bad \xff name", SpanContext: sc, Parent: parent, SpanKind: trace.SpanKindServer,
			StartTime: began, EndTime: began.Add(time.Second),
			Attributes: []attribute.KeyValue{
				attribute.String("s", "v"), attribute.Int("i", -7), attribute.Int64Slice("is", []int64{1, 2}), attribute.Bool("t", true),
				attribute.Float64("f", 1.5), attribute.StringSlice("none", nil),
			},
			Events:            []sdktrace.Event{{Name: "e", Time: began, Attributes: []attribute.KeyValue{attribute.Int("n", 0)}, DroppedAttributeCount: 1}},
			Links:             []sdktrace.Link{{SpanContext: parent, Attributes: []attribute.KeyValue{attribute.String("l", "")}, DroppedAttributeCount: 2}},
			Status:            sdktrace.Status{Code: codes.Error, Description: "broken"},
			DroppedAttributes: 3, DroppedEvents: 4, DroppedLinks: 5,
			InstrumentationScope: instrumentation.Scope{Name: "scope", Version: "1", SchemaURL: "https://schema"},
		},
		{Name: "root", SpanContext: sc, Status: sdktrace.Status{Code: codes.Ok}, InstrumentationScope: instrumentation.Scope{Name: "other"}},
		{Name: "third", SpanContext: sc, InstrumentationScope: instrumentation.Scope{Name: "scope", Version: "1", SchemaURL: "https://schema"}},
	}
	traceID, spanID, parentID := make([]byte, 16), make([]byte, 8), make([]byte, 8)
	traceID[0], spanID[0], parentID[0] = 1, 2, 3
	plain := func(name string) *traces.Span {
		return &traces.Span{TraceId: traceID, SpanId: spanID, TraceState: "a=1,b=2", Name: name, Flags: 0x103, Kind: traces.Span_SPAN_KIND_INTERNAL}
	}
	full := plain("bad \uFFFD name")
	full.ParentSpanId, full.Kind, full.Flags = parentID, traces.Span_SPAN_KIND_SERVER, 0x303
	full.StartTimeUnixNano, full.EndTimeUnixNano = 1_700_000_000_000_000_005, 1_700_000_001_000_000_005
	full.Attributes = []*common.KeyValue{
		text("s", "v"), integer("i", -7),
		{Key: "is", Value: integers(1, 2)},
		{Key: "t", Value: &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: true}}},
		{Key: "f", Value: &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: 1.5}}},
		{Key: "none", Value: integers()},
	}
	full.Events = []*traces.Span_Event{{Name: "e", TimeUnixNano: full.StartTimeUnixNano, Attributes: []*common.KeyValue{integer("n", 0)}, DroppedAttributesCount: 1}}
	full.Links = []*traces.Span_Link{{TraceId: traceID, SpanId: parentID, Attributes: []*common.KeyValue{text("l", "")}, DroppedAttributesCount: 2, Flags: 0x301}}
	full.Status = &traces.Status{Code: traces.Status_STATUS_CODE_ERROR, Message: "broken"}
	full.DroppedAttributesCount, full.DroppedEventsCount, full.DroppedLinksCount = 3, 4, 5
	root := plain("root")
	root.Kind, root.Status = traces.Span_SPAN_KIND_UNSPECIFIED, &traces.Status{Code: traces.Status_STATUS_CODE_OK}
	third := plain("third")
	third.Kind = traces.Span_SPAN_KIND_UNSPECIFIED

	want := &collectortrace.ExportTraceServiceRequest{ResourceSpans: []*traces.ResourceSpans{{
		Resource: &otlpresource.Resource{Attributes: []*common.KeyValue{text("service.name", "order")}}, SchemaUrl: "https://resource",
		ScopeSpans: []*traces.ScopeSpans{
			{Scope: &common.InstrumentationScope{Name: "scope", Version: "1"}, SchemaUrl: "https://schema", Spans: []*traces.Span{full, third}},
			{Scope: &common.InstrumentationScope{Name: "other"}, Spans: []*traces.Span{root}},
		},
	}}}
	res := resource.NewWithAttributes("https://resource", attribute.String("service.name", "order"))
	sameSpans(t, want, otlp.AppendSpans(nil, res, stubs.Snapshots()))
	sameSpans(t, &collectortrace.ExportTraceServiceRequest{}, otlp.AppendSpans(nil, res, nil))
}

// encoded gathers and encodes a registry, and gives its metrics by name.
func encoded(t *testing.T, registry *prometheus.Registry) map[string]*metrics.Metric {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	m := otlp.Metrics{Resource: resource.Empty(), Scope: instrumentation.Scope{Name: "s"}, Started: time.Unix(1, 0), Origins: semconv.NewOrigins()}
	request, points := m.Append(nil, families, time.Unix(100, 0))
	var got collectormetrics.ExportMetricsServiceRequest
	if err := proto.Unmarshal(request, &got); err != nil {
		t.Fatal(err)
	}
	byName, want := map[string]*metrics.Metric{}, 0
	for _, metric := range got.GetResourceMetrics()[0].GetScopeMetrics()[0].GetMetrics() {
		byName[metric.GetName()] = metric
	}
	for _, family := range families {
		want += len(family.GetMetric())
	}
	if points != want {
		t.Errorf("%d data points, want %d", points, want)
	}
	return byName
}

func register[C prometheus.Collector](t *testing.T, registry *prometheus.Registry, collector C) C {
	t.Helper()
	if err := registry.Register(collector); err != nil {
		t.Fatal(err)
	}
	return collector
}

func TestCountersGaugesAndSummaries(t *testing.T) {
	registry := prometheus.NewRegistry()
	counter := register(t, registry, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "shop_wait_seconds_total", Help: "Waiting."}, []string{"kind"}))
	counter.WithLabelValues("a").Add(2.5)
	register(t, registry, prometheus.NewGauge(prometheus.GaugeOpts{Name: "shop_stock_bytes", Help: "Stock."})).Set(-3)
	summary := register(t, registry, prometheus.NewSummary(prometheus.SummaryOpts{Name: "shop_size", Help: "Size.", Objectives: map[float64]float64{0.5: 0.05}}))
	summary.Observe(4)
	got := encoded(t, registry)

	sum := got["shop_wait_seconds_total"].GetSum()
	if !sum.GetIsMonotonic() || sum.GetAggregationTemporality() != metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE || got["shop_wait_seconds_total"].GetUnit() != "s" {
		t.Errorf("counter = %v", got["shop_wait_seconds_total"])
	}
	point := sum.GetDataPoints()[0]
	if point.GetAsDouble() != 2.5 || point.GetTimeUnixNano() != 100e9 || point.GetStartTimeUnixNano() == 0 {
		t.Errorf("counter's point = %v", point)
	}
	if diff := cmp.Diff([]*common.KeyValue{text("kind", "a")}, point.GetAttributes(), protocmp.Transform()); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if gauge := got["shop_stock_bytes"]; gauge.GetUnit() != "By" || gauge.GetDescription() != "Stock." || gauge.GetGauge().GetDataPoints()[0].GetAsDouble() != -3 {
		t.Errorf("gauge = %v", gauge)
	}
	quantiles := got["shop_size"].GetSummary().GetDataPoints()[0]
	if quantiles.GetCount() != 1 || quantiles.GetSum() != 4 || quantiles.GetQuantileValues()[0].GetQuantile() != 0.5 || quantiles.GetQuantileValues()[0].GetValue() != 4 {
		t.Errorf("summary = %v", quantiles)
	}
}

func TestHistogramOfOursGoesByItsOpenTelemetryName(t *testing.T) {
	registry := prometheus.NewRegistry()
	histogram := register(t, registry, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: semconv.HTTPServerRequestDuration.Prometheus(), Help: "Duration.", Buckets: []float64{1, 2, 5},
	}, semconv.Labels(semconv.HTTPRoute, semconv.ErrorType)))
	observer := histogram.WithLabelValues("/orders/{id}", "")
	for _, v := range []float64{0.5, 1.5, 1.6, 9} {
		observer.Observe(v)
	}
	observer.(prometheus.ExemplarObserver).ObserveWithExemplar(4, prometheus.Labels{
		"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331", "user": "7",
	})
	metric := encoded(t, registry)["http.server.request.duration"]
	if metric.GetUnit() != "s" {
		t.Errorf("metric = %v", metric)
	}
	point := metric.GetHistogram().GetDataPoints()[0]
	if diff := cmp.Diff([]uint64{1, 2, 1, 1}, point.GetBucketCounts()); diff != "" {
		t.Errorf("buckets (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float64{1, 2, 5}, point.GetExplicitBounds()); diff != "" {
		t.Errorf("bounds (-want +got):\n%s", diff)
	}
	if point.GetCount() != 5 || math.Abs(point.GetSum()-16.6) > 1e-9 {
		t.Errorf("count %d, sum %v", point.GetCount(), point.GetSum())
	}
	if diff := cmp.Diff([]*common.KeyValue{text("http.route", "/orders/{id}")}, point.GetAttributes(), protocmp.Transform()); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	exemplar := point.GetExemplars()[0]
	if len(point.GetExemplars()) != 1 || len(exemplar.GetTraceId()) != 16 || exemplar.GetSpanId()[0] != 0xb7 || exemplar.GetAsDouble() != 4 || exemplar.GetTimeUnixNano() == 0 {
		t.Errorf("exemplars = %v", point.GetExemplars())
	}
	if diff := cmp.Diff([]*common.KeyValue{text("user", "7")}, exemplar.GetFilteredAttributes(), protocmp.Transform()); diff != "" {
		t.Errorf("exemplar's other labels (-want +got):\n%s", diff)
	}
}

func TestNativeHistogramIsExponential(t *testing.T) {
	registry := prometheus.NewRegistry()
	histogram := register(t, registry, prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "shop_native", Help: "Native.", NativeHistogramBucketFactor: 2, NativeHistogramZeroThreshold: 1e-9,
	}))
	for _, v := range []float64{0, 1.5, 3, 3.5, 100, -3} {
		histogram.Observe(v)
	}
	point := encoded(t, registry)["shop_native"].GetExponentialHistogram().GetDataPoints()[0]
	if point.GetScale() != 0 || point.GetCount() != 6 || point.GetZeroCount() != 1 || point.GetZeroThreshold() != 1e-9 {
		t.Errorf("point = %v", point)
	}
	// At scale 0 the bucket i is (2^i, 2^(i+1)].
	positive := &metrics.ExponentialHistogramDataPoint_Buckets{Offset: 0, BucketCounts: []uint64{1, 2, 0, 0, 0, 0, 1}}
	if diff := cmp.Diff(positive, point.GetPositive(), protocmp.Transform()); diff != "" {
		t.Errorf("positive (-want +got):\n%s", diff)
	}
	negative := &metrics.ExponentialHistogramDataPoint_Buckets{Offset: 1, BucketCounts: []uint64{1}}
	if diff := cmp.Diff(negative, point.GetNegative(), protocmp.Transform()); diff != "" {
		t.Errorf("negative (-want +got):\n%s", diff)
	}
}
