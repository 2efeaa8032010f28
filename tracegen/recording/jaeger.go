package recording

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// What Jaeger's query API has, version 1.
type (
	jaegerTrace struct {
		Spans     []jaegerSpan             `json:"spans"`
		Processes map[string]jaegerProcess `json:"processes"`
	}
	jaegerProcess struct {
		Service string      `json:"serviceName"`
		Tags    []jaegerTag `json:"tags"`
	}
	jaegerSpan struct {
		TraceID    string `json:"traceID"`
		SpanID     string `json:"spanID"`
		ParentID   string `json:"parentSpanID"` // of old files
		Name       string `json:"operationName"`
		References []struct {
			Type    string `json:"refType"`
			TraceID string `json:"traceID"`
			SpanID  string `json:"spanID"`
		} `json:"references"`
		Start     uint64      `json:"startTime"` // in microseconds
		Duration  uint64      `json:"duration"`
		Tags      []jaegerTag `json:"tags"`
		Logs      []jaegerLog `json:"logs"`
		ProcessID string      `json:"processID"`
		// Process is there where a span has its own.
		Process *jaegerProcess `json:"process"`
	}
	jaegerTag struct {
		Key   string          `json:"key"`
		Type  string          `json:"type"`
		Value json.RawMessage `json:"value"`
	}
	jaegerLog struct {
		Timestamp uint64      `json:"timestamp"`
		Fields    []jaegerTag `json:"fields"`
	}
)

// addJaeger adds a list of traces.
func (r *Recording) addJaeger(list json.RawMessage) error {
	var traces []jaegerTrace
	if err := json.Unmarshal(list, &traces); err != nil {
		return err
	}
	for _, t := range traces {
		resources := map[string]*resourcepb.Resource{}
		for id, p := range t.Processes {
			resources[id] = p.resource()
		}
		for _, s := range t.Spans {
			resource := resources[s.ProcessID]
			if s.Process != nil {
				resource = s.Process.resource()
			}
			span, scope, err := s.otlp()
			if err != nil {
				return fmt.Errorf("span %s: %w", s.SpanID, err)
			}
			r.add(Span{span, resource, scope})
		}
	}
	return nil
}

func (p jaegerProcess) resource() *resourcepb.Resource {
	return &resourcepb.Resource{Attributes: append([]*commonpb.KeyValue{text("service.name", p.Service)}, attributes(p.Tags)...)}
}

// otlp is the span as OTLP has it: kind, status and scope, which are tags there,
// are fields here.
func (s jaegerSpan) otlp() (*tracepb.Span, *commonpb.InstrumentationScope, error) {
	out := &tracepb.Span{Name: s.Name, StartTimeUnixNano: s.Start * 1000, EndTimeUnixNano: (s.Start + s.Duration) * 1000}
	var err error
	if out.TraceId, err = bytesOf(s.TraceID, 16); err != nil {
		return nil, nil, err
	}
	if out.SpanId, err = bytesOf(s.SpanID, 8); err != nil {
		return nil, nil, err
	}
	if s.ParentID != "" && strings.Trim(s.ParentID, "0") != "" {
		if out.ParentSpanId, err = bytesOf(s.ParentID, 8); err != nil {
			return nil, nil, err
		}
	}
	for i, ref := range s.References {
		trace, err := bytesOf(ref.TraceID, 16)
		if err != nil {
			return nil, nil, err
		}
		id, err := bytesOf(ref.SpanID, 8)
		if err != nil {
			return nil, nil, err
		}
		if len(out.ParentSpanId) == 0 && string(trace) == string(out.TraceId) && (i == 0 || ref.Type == "CHILD_OF") {
			out.ParentSpanId = id
			if ref.Type == "CHILD_OF" {
				continue
			}
			// What follows from its parent is a link to it, too.
		}
		out.Links = append(out.Links, &tracepb.Span_Link{TraceId: trace, SpanId: id})
	}
	for _, l := range s.Logs {
		event := &tracepb.Span_Event{TimeUnixNano: l.Timestamp * 1000, Attributes: attributes(l.Fields)}
		event.Name, event.Attributes = taken(event.Attributes, "event")
		out.Events = append(out.Events, event)
	}
	out.Attributes = attributes(s.Tags)
	scope := s.fields(out)
	return out, scope, nil
}

// fields takes the tags out that stand for fields.
func (s jaegerSpan) fields(out *tracepb.Span) *commonpb.InstrumentationScope {
	var kind, status, failed string
	kind, out.Attributes = taken(out.Attributes, "span.kind")
	out.Kind = tracepb.Span_SpanKind(tracepb.Span_SpanKind_value["SPAN_KIND_"+strings.ToUpper(kind)])
	if out.Kind == 0 {
		out.Kind = tracepb.Span_SPAN_KIND_INTERNAL
	}
	out.Status = &tracepb.Status{}
	status, out.Attributes = taken(out.Attributes, "otel.status_code")
	out.Status.Message, out.Attributes = taken(out.Attributes, "otel.status_description")
	failed, out.Attributes = taken(out.Attributes, "error")
	switch {
	case status == "ERROR" || failed == "true":
		out.Status.Code = tracepb.Status_STATUS_CODE_ERROR
	case status == "OK":
		out.Status.Code = tracepb.Status_STATUS_CODE_OK
	}
	scope := &commonpb.InstrumentationScope{}
	for _, name := range []string{"otel.scope.name", "otel.library.name"} {
		if scope.Name == "" {
			scope.Name, out.Attributes = taken(out.Attributes, name)
		}
	}
	return scope
}

// taken takes an attribute out of a list, as a text.
func taken(from []*commonpb.KeyValue, key string) (value string, rest []*commonpb.KeyValue) {
	for i, a := range from {
		if a.GetKey() != key {
			continue
		}
		switch v := a.GetValue().GetValue().(type) {
		case *commonpb.AnyValue_StringValue:
			value = v.StringValue
		case *commonpb.AnyValue_BoolValue:
			value = strconv.FormatBool(v.BoolValue)
		}
		return value, append(from[:i:i], from[i+1:]...)
	}
	return "", from
}

func text(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

// attributes reads tags. What is not of the type that it says is a text.
func attributes(tags []jaegerTag) []*commonpb.KeyValue {
	out := make([]*commonpb.KeyValue, 0, len(tags))
	for _, t := range tags {
		pair := text(t.Key, strings.Trim(string(t.Value), `"`))
		var s string
		if json.Unmarshal(t.Value, &s) == nil {
			pair = text(t.Key, s)
		} else {
			s = string(t.Value)
		}
		switch t.Type {
		case "bool":
			if v, err := strconv.ParseBool(s); err == nil {
				pair.Value.Value = &commonpb.AnyValue_BoolValue{BoolValue: v}
			}
		case "int64":
			if v, err := strconv.ParseInt(s, 10, 64); err == nil {
				pair.Value.Value = &commonpb.AnyValue_IntValue{IntValue: v}
			}
		case "float64":
			if v, err := strconv.ParseFloat(s, 64); err == nil {
				pair.Value.Value = &commonpb.AnyValue_DoubleValue{DoubleValue: v}
			}
		case "binary":
			if v, err := base64.StdEncoding.DecodeString(s); err == nil {
				pair.Value.Value = &commonpb.AnyValue_BytesValue{BytesValue: v}
			}
		}
		out = append(out, pair)
	}
	return out
}

// bytesOf reads an id, which may lack zeros in front.
func bytesOf(digits string, size int) ([]byte, error) {
	if len(digits) > 2*size || digits == "" {
		return nil, fmt.Errorf("id %q: want up to %d hexadecimal digits", digits, 2*size)
	}
	out, err := hex.DecodeString(strings.Repeat("0", 2*size-len(digits)) + digits)
	if err != nil {
		return nil, fmt.Errorf("id %q: %w", digits, err)
	}
	if size == 8 && binary.BigEndian.Uint64(out) == 0 {
		return nil, fmt.Errorf("id %q is nothing but zeros", digits)
	}
	return out, nil
}
