package redact

import (
	"context"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
)

func str(s string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
}

func number(n int64) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: n}}
}

func truth(b bool) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: b}}
}

func list(values ...*common.AnyValue) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: values}}}
}

func mapOf(entries ...*common.KeyValue) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_KvlistValue{KvlistValue: &common.KeyValueList{Values: entries}}}
}

func attr(key string, v *common.AnyValue) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: v}
}

// spans is a request with the attributes in a resource, a scope, a span, an
// event and a link, and with the text as name and message.
func spans(text string, attributes ...*common.KeyValue) *coltrace.ExportTraceServiceRequest {
	return &coltrace.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource: &resource.Resource{Attributes: attributes},
		ScopeSpans: []*trace.ScopeSpans{{
			Scope: &common.InstrumentationScope{Name: "scope", Attributes: attributes},
			Spans: []*trace.Span{{
				TraceId: make([]byte, 16), Name: text, Attributes: attributes,
				Events: []*trace.Span_Event{{Name: text, Attributes: attributes}},
				Links:  []*trace.Span_Link{{Attributes: attributes}},
				Status: &trace.Status{Message: text},
			}},
		}},
	}}}
}

func records(body *common.AnyValue, attributes ...*common.KeyValue) *collogs.ExportLogsServiceRequest {
	return &collogs.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{
		Resource:  &resource.Resource{Attributes: attributes},
		ScopeLogs: []*logs.ScopeLogs{{LogRecords: []*logs.LogRecord{{SeverityText: "INFO", Body: body, Attributes: attributes}}}},
	}}}
}

func points(attributes ...*common.KeyValue) *colmetrics.ExportMetricsServiceRequest {
	data := &metrics.Metric_Sum{Sum: &metrics.Sum{DataPoints: []*metrics.NumberDataPoint{{Attributes: attributes}}}}
	return &colmetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metrics.ResourceMetrics{{
		Resource:     &resource.Resource{Attributes: attributes},
		ScopeMetrics: []*metrics.ScopeMetrics{{Metrics: []*metrics.Metric{{Name: "m", Data: data}}}},
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

// keeper is a journal that only appends, and shows what.
type keeper struct {
	journal.Journal

	last []byte
	err  error
}

func (k *keeper) Append(_ context.Context, _ journal.Signal, _ uint32, payload []byte) (journal.Offset, error) {
	k.last = slices.Clone(payload)
	return 0, k.err
}

// before makes a keeper that is redacted.
func before(t testing.TB, cfg Config) (*Journal, *keeper, *prometheus.Registry) {
	t.Helper()
	k, reg := &keeper{}, prometheus.NewRegistry()
	j, err := Before(k, cfg, reg)
	if err != nil {
		t.Fatal(err)
	}
	return j, k, reg
}
