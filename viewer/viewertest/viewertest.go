// Package viewertest makes traces for the viewer's tests: encoded as services
// send them, and appended to a journal as the collector does.
package viewertest

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	logspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	tracespb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logpb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/viewer/index"
)

// TraceID makes an id of a number.
func TraceID(n int) (id index.TraceID) {
	id[0] = 0xa1
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

// SpanID makes an id of a number; 0 is no span.
func SpanID(n int) (id index.SpanID) {
	binary.BigEndian.PutUint64(id[:], uint64(n))
	return id
}

// Span makes a server's span. Callers alter the fields that matter to them.
func Span(trace, id, parent int, name string, start time.Time, took time.Duration) *tracepb.Span {
	traceID, spanID, parentID := TraceID(trace), SpanID(id), SpanID(parent)
	span := &tracepb.Span{
		TraceId: traceID[:], SpanId: spanID[:], Name: name, Kind: tracepb.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: uint64(start.UnixNano()), EndTimeUnixNano: uint64(start.Add(took).UnixNano()),
	}
	if parent != 0 {
		span.ParentSpanId = parentID[:]
	}
	return span
}

// Fail sets the span's status to an error.
func Fail(span *tracepb.Span, message string) *tracepb.Span {
	span.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: message}
	return span
}

// Attribute makes an attribute of a string, bool, int, float64, []byte or a
// list of strings.
func Attribute(key string, value any) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: anyValue(value)}
}

// Attributes makes attributes of keys and values in turn.
func Attributes(pairs ...any) []*commonpb.KeyValue {
	var list []*commonpb.KeyValue
	for i := 0; i+1 < len(pairs); i += 2 {
		list = append(list, Attribute(fmt.Sprint(pairs[i]), pairs[i+1]))
	}
	return list
}

func anyValue(value any) *commonpb.AnyValue {
	switch v := value.(type) {
	case string:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: v}}
	case bool:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: v}}
	case int:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: int64(v)}}
	case float64:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: v}}
	case []byte:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BytesValue{BytesValue: v}}
	case []string:
		list := &commonpb.ArrayValue{}
		for _, s := range v {
			list.Values = append(list.Values, anyValue(s))
		}
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: list}}
	}
	panic(fmt.Sprintf("BUG: an attribute of type %T", value))
}

// Resource names a service, with further attributes as keys and values in turn.
func Resource(service string, pairs ...any) *resourcepb.Resource {
	return &resourcepb.Resource{Attributes: append(Attributes("service.name", service), Attributes(pairs...)...)}
}

// Spans is what one resource sends.
func Spans(resource *resourcepb.Resource, spans ...*tracepb.Span) *tracepb.ResourceSpans {
	return &tracepb.ResourceSpans{Resource: resource, ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}}}
}

// Scope is the instrumentation that made spans.
func Scope(name, version string) *commonpb.InstrumentationScope {
	return &commonpb.InstrumentationScope{Name: name, Version: version}
}

// Log makes a log record of a span.
func Log(trace, span int, at time.Time, severity logpb.SeverityNumber, body string, pairs ...any) *logpb.LogRecord {
	traceID, spanID := TraceID(trace), SpanID(span)
	return &logpb.LogRecord{
		TraceId: traceID[:], SpanId: spanID[:], TimeUnixNano: uint64(at.UnixNano()),
		SeverityNumber: severity, Body: anyValue(body), Attributes: Attributes(pairs...),
	}
}

// AppendSpans appends one export request and returns its offset.
func AppendSpans(t testing.TB, j journal.Journal, sent ...*tracepb.ResourceSpans) journal.Offset {
	t.Helper()
	items := 0
	for _, r := range sent {
		for _, s := range r.GetScopeSpans() {
			items += len(s.GetSpans())
		}
	}
	return appendRequest(t, j, journal.Traces, items, &tracespb.ExportTraceServiceRequest{ResourceSpans: sent})
}

// AppendLogs appends one export request of a service's log records and returns
// its offset.
func AppendLogs(t testing.TB, j journal.Journal, resource *resourcepb.Resource, records ...*logpb.LogRecord) journal.Offset {
	t.Helper()
	return appendRequest(t, j, journal.Logs, len(records), &logspb.ExportLogsServiceRequest{
		ResourceLogs: []*logpb.ResourceLogs{{
			Resource: resource, ScopeLogs: []*logpb.ScopeLogs{{LogRecords: records}},
		}},
	})
}

func appendRequest(t testing.TB, j journal.Journal, signal journal.Signal, items int, request proto.Message) journal.Offset {
	t.Helper()
	payload, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	off, err := j.Append(t.Context(), signal, uint32(items), payload)
	if err != nil {
		t.Fatal(err)
	}
	return off
}

// Index reads a journal from its oldest record to its end.
func Index(t testing.TB, j journal.Journal) *index.Index {
	t.Helper()
	x := index.New(index.Limits{MaxTraces: 200_000, MaxBytes: 256 << 20, MaxOpenSpans: 100_000, MaxGraphCells: 10_000})
	reader, err := j.Reader("")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}()
	for end, next := j.Stats().End, journal.Offset(0); next < end; {
		records, err := reader.Next(t.Context(), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range records {
			if err := x.AddRecord(record); err != nil {
				t.Fatal(err)
			}
			next = record.Next
		}
	}
	return x
}
