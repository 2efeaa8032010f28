package format

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

func encode(t *testing.T, m proto.Message) []byte {
	t.Helper()
	encoded, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// request is a span of each of two services, the second below the first.
func request(t *testing.T) []byte {
	t.Helper()
	of := func(service string, span *tracepb.Span) *tracepb.ResourceSpans {
		name := &commonpb.KeyValue{Key: "service.name", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: service}}}
		span.TraceId = []byte("0123456789abcdef")
		return &tracepb.ResourceSpans{
			Resource:   &resourcepb.Resource{Attributes: []*commonpb.KeyValue{name}},
			ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{span}}},
		}
	}
	return encode(t, &collector.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{
		of("Front", &tracepb.Span{SpanId: []byte("aaaaaaaa"), Name: "GET /", Kind: tracepb.Span_SPAN_KIND_SERVER, StartTimeUnixNano: 5_000_000, EndTimeUnixNano: 9_000_000}),
		of("back", &tracepb.Span{
			SpanId: []byte("bbbbbbbb"), ParentSpanId: []byte("aaaaaaaa"), Name: "list", Kind: tracepb.Span_SPAN_KIND_SERVER,
			StartTimeUnixNano: 6_000_000, EndTimeUnixNano: 8_000_000,
			Events: []*tracepb.Span_Event{{Name: "retry", TimeUnixNano: 7_000_000}},
			Status: &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: "no"},
			Attributes: []*commonpb.KeyValue{
				{Key: "n", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: 7}}},
				{Key: "ok", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}},
				{Key: "share", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: 0.5}}},
			},
		}),
	}})
}

func TestJaeger(t *testing.T) {
	bodies, err := Jaeger(request(t))
	if err != nil || len(bodies) != 2 {
		t.Fatalf("%d bodies, %v; want one for each service", len(bodies), err)
	}
	var batch jaeger.Batch
	if err := thrift.NewTDeserializer().Read(context.Background(), &batch, bodies[1]); err != nil {
		t.Fatal(err)
	}
	s := batch.GetSpans()[0]
	if batch.GetProcess().GetServiceName() != "back" || s.GetOperationName() != "list" || s.GetStartTime() != 6000 || s.GetDuration() != 2000 ||
		s.GetParentSpanId() != 0x6161616161616161 || s.GetTraceIdHigh() != 0x3031323334353637 || len(s.GetLogs()) != 1 {
		t.Errorf("span = %v", s)
	}
	values := map[string]any{}
	for _, tag := range s.GetTags() {
		switch tag.GetVType() {
		case jaeger.TagType_BOOL:
			values[tag.GetKey()] = tag.GetVBool()
		case jaeger.TagType_LONG:
			values[tag.GetKey()] = tag.GetVLong()
		case jaeger.TagType_DOUBLE:
			values[tag.GetKey()] = tag.GetVDouble()
		default:
			values[tag.GetKey()] = tag.GetVStr()
		}
	}
	for key, want := range map[string]any{"n": int64(7), "ok": true, "share": 0.5, "span.kind": "server", "error": true} {
		if values[key] != want {
			t.Errorf("tag %s is %v, want %v", key, values[key], want)
		}
	}
}

func TestZipkin(t *testing.T) {
	bodies, err := Zipkin(request(t))
	if err != nil || len(bodies) != 1 {
		t.Fatalf("%d bodies, %v", len(bodies), err)
	}
	var spans []struct {
		TraceID, ID, ParentID, Kind, Name string
		LocalEndpoint                     struct{ ServiceName string }
	}
	if err := json.Unmarshal(bodies[0], &spans); err != nil {
		t.Fatal(err)
	}
	if len(spans) != 2 || spans[0].LocalEndpoint.ServiceName != "front" || spans[1].ParentID != spans[0].ID || spans[1].Kind != "SERVER" {
		t.Errorf("spans = %+v", spans)
	}
}

func TestJSON(t *testing.T) {
	logs := encode(t, &collogs.ExportLogsServiceRequest{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{{
		LogRecords: []*logspb.LogRecord{{TraceId: []byte("0123456789abcdef"), SeverityText: "INFO"}},
	}}}}})
	metrics := encode(t, &colmetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{{ScopeMetrics: []*metricspb.ScopeMetrics{{
		Metrics: []*metricspb.Metric{{Name: "m", Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: []*metricspb.NumberDataPoint{{}}}}}},
	}}}}})
	for _, test := range []struct {
		name    string
		format  func([]byte) ([][]byte, error)
		request []byte
		want    string
	}{
		{"traces", JSON, request(t), `"traceId":"30313233343536373839616263646566"`},
		{"logs", LogsJSON, logs, `"traceId":"30313233343536373839616263646566"`},
		{"metrics", MetricsJSON, metrics, `"name":"m"`},
	} {
		bodies, err := test.format(test.request)
		if err != nil || len(bodies) != 1 || !json.Valid(bodies[0]) || !strings.Contains(string(bodies[0]), test.want) {
			t.Errorf("%s: %s, %v", test.name, bodies, err)
		}
	}
}

func TestWhatIsNoRequest(t *testing.T) {
	for name, format := range map[string]func([]byte) ([][]byte, error){
		"JSON": JSON, "logs": LogsJSON, "metrics": MetricsJSON, "Jaeger": Jaeger, "Zipkin": Zipkin,
	} {
		if bodies, err := format([]byte("\xff\xff\xff")); err == nil || !strings.Contains(err.Error(), "decode the request") {
			t.Errorf("%s: %q, %v", name, bodies, err)
		}
	}
}
