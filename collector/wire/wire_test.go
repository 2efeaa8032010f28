package wire

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

func str(s string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
}

func number(n int64) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: n}}
}

func attribute(key string, value *common.AnyValue) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: value}
}

// everyValue has one attribute of each kind, nested ones too.
func everyValue() []*common.KeyValue {
	list := &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{
		Values: []*common.AnyValue{str("a \"b\""), number(-1), {}},
	}}}
	return []*common.KeyValue{
		attribute("text", str("grün")),
		attribute("number", number(math.MinInt64)),
		attribute("truth", &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: true}}),
		attribute("double", &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: 1.5}}),
		attribute("bytes", &common.AnyValue{Value: &common.AnyValue_BytesValue{BytesValue: []byte{0, 255}}}),
		attribute("list", list),
		attribute("map", &common.AnyValue{Value: &common.AnyValue_KvlistValue{KvlistValue: &common.KeyValueList{
			Values: []*common.KeyValue{attribute("inner", list), attribute("n", number(7))},
		}}}),
		attribute("empty", &common.AnyValue{}),
		attribute("nothing", nil),
	}
}

func spanOf(id byte) *trace.Span {
	return &trace.Span{
		TraceId: bytes.Repeat([]byte{id}, 16), SpanId: bytes.Repeat([]byte{id + 1}, 8), ParentSpanId: bytes.Repeat([]byte{id + 2}, 8),
		TraceState: "a=b", Flags: 0x301, Name: "POST /api/v1/orders", Kind: trace.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: 1_700_000_000_000_000_000, EndTimeUnixNano: 1_700_000_000_250_000_000,
		Attributes: everyValue(), DroppedAttributesCount: 1, DroppedEventsCount: 2, DroppedLinksCount: 3,
		Events: []*trace.Span_Event{{TimeUnixNano: 5, Name: "exception", Attributes: everyValue(), DroppedAttributesCount: 4}},
		Links: []*trace.Span_Link{{
			TraceId: bytes.Repeat([]byte{9}, 16), SpanId: bytes.Repeat([]byte{8}, 8), TraceState: "c=d",
			Attributes: everyValue(), DroppedAttributesCount: 5, Flags: 1,
		}},
		Status: &trace.Status{Code: trace.Status_STATUS_CODE_ERROR, Message: "declined"},
	}
}

func resourceOf(service string) *resource.Resource {
	return &resource.Resource{Attributes: []*common.KeyValue{
		attribute("service.instance.id", str("1")), attribute("service.name", str(service)),
	}}
}

func traceRequest(spans ...*trace.Span) *coltrace.ExportTraceServiceRequest {
	return &coltrace.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{
		{Resource: resourceOf("gateway"), SchemaUrl: "r", ScopeSpans: []*trace.ScopeSpans{
			{
				Scope:     &common.InstrumentationScope{Name: "httpmw", Version: "1", Attributes: everyValue()},
				SchemaUrl: "s", Spans: spans,
			},
			{},
			{Spans: spans},
		}},
		{},
		{ScopeSpans: []*trace.ScopeSpans{{Spans: spans}}},
	}}
}

func logRequest() *collogs.ExportLogsServiceRequest {
	record := &logs.LogRecord{
		TimeUnixNano: 1, ObservedTimeUnixNano: 2, SeverityNumber: logs.SeverityNumber_SEVERITY_NUMBER_WARN, SeverityText: "WARN",
		Body: str("card declined"), Attributes: everyValue(), DroppedAttributesCount: 3, Flags: 1,
		TraceId: bytes.Repeat([]byte{1}, 16), SpanId: bytes.Repeat([]byte{2}, 8), EventName: "e",
	}
	return &collogs.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{
		{Resource: resourceOf("payment"), ScopeLogs: []*logs.ScopeLogs{{LogRecords: []*logs.LogRecord{record, record}}}},
	}}
}

func metricRequest() *colmetrics.ExportMetricsServiceRequest {
	exemplars := []*metrics.Exemplar{{
		TimeUnixNano: 1, TraceId: bytes.Repeat([]byte{1}, 16), SpanId: bytes.Repeat([]byte{1}, 8), FilteredAttributes: everyValue(),
		Value: &metrics.Exemplar_AsDouble{AsDouble: 1},
	}}
	points := []*metrics.NumberDataPoint{{Attributes: everyValue(), Exemplars: exemplars}, {Value: &metrics.NumberDataPoint_AsInt{AsInt: 4}}}
	return &colmetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metrics.ResourceMetrics{{
		Resource: resourceOf("order"),
		ScopeMetrics: []*metrics.ScopeMetrics{{Metrics: []*metrics.Metric{
			{Name: "g", Data: &metrics.Metric_Gauge{Gauge: &metrics.Gauge{DataPoints: points}}, Metadata: everyValue()},
			{Name: "s", Unit: "s", Data: &metrics.Metric_Sum{Sum: &metrics.Sum{DataPoints: points, IsMonotonic: true}}},
			{Name: "h", Data: &metrics.Metric_Histogram{Histogram: &metrics.Histogram{DataPoints: []*metrics.HistogramDataPoint{
				{Count: 3, BucketCounts: []uint64{1, 2}, ExplicitBounds: []float64{0.5}, Exemplars: exemplars, Attributes: everyValue()},
			}}}},
			{Name: "e", Data: &metrics.Metric_ExponentialHistogram{ExponentialHistogram: &metrics.ExponentialHistogram{
				DataPoints: []*metrics.ExponentialHistogramDataPoint{{
					Scale: -1, Positive: &metrics.ExponentialHistogramDataPoint_Buckets{Offset: -3, BucketCounts: []uint64{300, 1}},
					Exemplars: exemplars, Attributes: everyValue(),
				}},
			}}},
			{Name: "q", Data: &metrics.Metric_Summary{Summary: &metrics.Summary{DataPoints: []*metrics.SummaryDataPoint{
				{QuantileValues: []*metrics.SummaryDataPoint_ValueAtQuantile{{Quantile: 0.5, Value: 1}}, Attributes: everyValue()},
			}}}},
			{Name: "none"},
		}}},
	}}}
}

func encode(t testing.TB, m proto.Message) []byte {
	t.Helper()
	raw, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestCountsAreTheItemsOfARequest(t *testing.T) {
	tests := []struct {
		name    string
		count   func([]byte) (int, error)
		request proto.Message
		want    int
	}{
		{"spans", CountSpans, traceRequest(spanOf(1), spanOf(2)), 6},
		{"no spans", CountSpans, &coltrace.ExportTraceServiceRequest{}, 0},
		{"points of all five kinds", CountPoints, metricRequest(), 7},
		{"logs", CountLogs, logRequest(), 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.count(encode(t, test.request))
			if err != nil || got != test.want {
				t.Errorf("count = %d, %v; want %d", got, err, test.want)
			}
		})
	}
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	// wrap puts a message into field 1 of one around it, and so on.
	wrap := func(inner []byte, nums ...protowire.Number) []byte {
		for _, num := range slices.Backward(nums) {
			inner = protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), inner)
		}
		return inner
	}
	deep := []byte{}
	for range 200 {
		deep = wrap(deep, 5, 1)
	}
	tests := []struct {
		name    string
		request []byte
	}{
		{"a varint without end", bytes.Repeat([]byte{0xff}, 64)},
		{"a truncated varint", []byte{0x08, 0x80}},
		{"a length beyond the end", []byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f}},
		{"a length of 2^64-1", append([]byte{0x0a}, bytes.Repeat([]byte{0xff}, 10)...)},
		{"field number 0", []byte{0x00, 0x01}},
		{"wire type 7", []byte{0x0f}},
		{"an end without a group", []byte{0x0c}},
		{"a group without an end", []byte{0x0b, 0x08, 0x01}},
		{"a group that ends as another", []byte{0x0b, 0x14}},
		{"a truncated fixed64 in a span", wrap([]byte{0x39, 1, 2}, 1, 2, 2)},
		{"a span name that is not UTF-8", wrap([]byte{0xff, 0xfe}, 1, 2, 2, 5)},
		{"a key that is not UTF-8, deep inside", wrap([]byte{0xc0}, 1, 2, 2, 9, 2, 6, 1, 1)},
		{"values nested 200 deep", wrap(deep, 1, 2, 2, 9, 2)},
		{"garbage in an event", wrap([]byte{0x0b}, 1, 2, 2, 11)},
		{"garbage in a resource", wrap([]byte{0x0b}, 1, 1)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := CountSpans(test.request); !errors.Is(err, ErrMalformed) {
				t.Errorf("CountSpans = %v, want ErrMalformed", err)
			}
		})
	}
	if _, err := CountPoints(wrap([]byte{1, 2, 3}, 1, 2, 2, 9, 1, 6)); !errors.Is(err, ErrMalformed) {
		t.Errorf("packed fixed64 of three bytes: %v, want ErrMalformed", err)
	}
	if _, err := CountPoints(wrap([]byte{0x80}, 1, 2, 2, 10, 1, 8, 2)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a packed varint that ends early: %v, want ErrMalformed", err)
	}
}

func TestTwoRequestsEndToEndAreOne(t *testing.T) {
	one := encode(t, traceRequest(spanOf(1)))
	if got, err := CountSpans(append(one, one...)); err != nil || got != 6 {
		t.Errorf("CountSpans = %d, %v; want 6", got, err)
	}
}

func TestWalkEndsWithTheFirstErrorOfTheVisitor(t *testing.T) {
	enough := errors.New("enough")
	visited := 0
	err := WalkSpans(encode(t, traceRequest(spanOf(1), spanOf(2))), func(*Resource, *Scope, *Span) error {
		visited++
		return enough
	})
	if !errors.Is(err, enough) || visited != 1 {
		t.Errorf("WalkSpans = %v after %d spans, want the visitor's error after one", err, visited)
	}
}

func TestDropSpansLeavesTheRest(t *testing.T) {
	bad := spanOf(3)
	bad.SpanId = nil
	short := spanOf(4)
	short.TraceId = short.TraceId[:15]
	request := traceRequest(spanOf(1), bad, spanOf(2), short)
	got, dropped, err := DropSpans(nil, encode(t, request), func(s *Span) bool { return !s.HasIDs() })
	if err != nil || dropped != 6 {
		t.Fatalf("DropSpans dropped %d, %v; want 6", dropped, err)
	}
	var decoded coltrace.ExportTraceServiceRequest
	if err := proto.Unmarshal(got, &decoded); err != nil {
		t.Fatal(err)
	}
	if want := traceRequest(spanOf(1), spanOf(2)); !proto.Equal(&decoded, want) {
		t.Errorf("what is left differs:\n%v\nwant\n%v", &decoded, want)
	}
}

func TestValueStrings(t *testing.T) {
	want := map[string]string{
		"text": "grün", "number": "-9223372036854775808", "truth": "true", "double": "1.5", "bytes": "AP8=",
		"list": `["a \"b\"",-1,null]`, "map": `{"inner":["a \"b\"",-1,null],"n":7}`, "empty": "", "nothing": "",
	}
	got := map[string]string{}
	err := WalkSpans(encode(t, traceRequest(spanOf(1))), func(_ *Resource, _ *Scope, span *Span) error {
		for key, value := range span.Attributes.All() {
			got[string(key)] = value.String()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s = %q, want %q", key, got[key], value)
		}
	}
}

func TestWalkingCostsNoAllocationPerSpan(t *testing.T) {
	spans := make([]*trace.Span, 500)
	for i := range spans {
		spans[i] = spanOf(byte(i%200 + 1))
	}
	request := encode(t, traceRequest(spans...))
	visit := func(resource *Resource, _ *Scope, span *Span) error {
		if _, found := span.Attributes.Get("absent"); found || len(resource.ServiceName()) > 7 {
			return errors.New("impossible")
		}
		return nil
	}
	if got := testing.AllocsPerRun(10, func() { _ = WalkSpans(request, visit) }); got > 3 {
		t.Errorf("a walk over 1500 spans allocates %v times, want 3 at most", got)
	}
	var pass SpanPass
	visitor := &visits{span: func(resource *Resource, span *Span) error { return visit(resource, nil, span) }}
	if got := testing.AllocsPerRun(10, func() { _ = pass.Over(request, visitor) }); got > 0 {
		t.Errorf("a pass over 1500 spans allocates %v times, want none", got)
	}
	if got := testing.AllocsPerRun(10, func() { _, _ = CountSpans(request) }); got > 0 {
		t.Errorf("a count of 1500 spans allocates %v times, want none", got)
	}
}

func TestMalformedErrorsNameThePlace(t *testing.T) {
	_, err := CountSpans([]byte{0x0a, 0x02, 0x1a, 0x05})
	if err == nil || !strings.Contains(err.Error(), "ResourceSpans") {
		t.Errorf("error %v does not name the message that is broken", err)
	}
}
