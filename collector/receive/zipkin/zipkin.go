// Package zipkin turns lists of spans in Zipkin's second format into OTLP:
// bytes in, bytes out. The decoders are Zipkin's own (zipkin-go), the
// translation is the OpenTelemetry Collector's.
package zipkin

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/zipkin/zipkinv2"
	"github.com/openzipkin/zipkin-go/model"
	"github.com/openzipkin/zipkin-go/proto/zipkin_proto3"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/waybill-dev/waybill/collector/receive/weigh"
)

// FromJSON translates a list of spans in JSON. admit is asked for memory, in
// bytes, before it is used, and its error is returned as it is. The payload is
// not changed.
func FromJSON(payload []byte, admit func(bytes int64) error) ([]byte, error) {
	if err := admit(weigh.JSON(payload)); err != nil {
		return nil, err
	}
	var spans []*model.SpanModel
	if err := json.Unmarshal(payload, &spans); err != nil {
		return nil, err
	}
	return translate(spans, admit)
}

// listOfSpans has what takes memory in a ListOfSpans, after zipkin.proto:
//
//	message ListOfSpans { repeated Span spans = 1; }
//	message Span        { Endpoint local_endpoint = 8; Endpoint remote_endpoint = 9;
//	                      repeated Annotation annotations = 10; map<string, string> tags = 11; … }
func listOfSpans() weigh.Schema {
	return weigh.Schema{1: weigh.Schema{8: nil, 9: nil, 10: nil, 11: nil}}
}

// FromProtobuf translates a ListOfSpans, like FromJSON.
func FromProtobuf(payload []byte, admit func(bytes int64) error) ([]byte, error) {
	cost, err := weigh.Protobuf(payload, listOfSpans())
	if err != nil {
		return nil, err
	}
	if err := admit(cost); err != nil {
		return nil, err
	}
	spans, err := zipkin_proto3.ParseSpans(payload, false)
	if err != nil {
		return nil, err
	}
	return translate(spans, admit)
}

func translate(spans []*model.SpanModel, admit func(int64) error) ([]byte, error) {
	var work weigh.Work
	var cost int64
	for _, span := range spans {
		if span != nil { // null in JSON
			work.Attributes(len(span.Tags))
			cost += nested(&work, span)
		}
	}
	if err := work.Err(); err != nil {
		return nil, err
	}
	if err := admit(cost); err != nil {
		return nil, err
	}
	for _, span := range spans {
		if span != nil {
			for i := range span.Annotations {
				protect(&span.Annotations[i])
			}
		}
	}
	traces, err := zipkinv2.ToTranslator{}.ToTraces(spans)
	if err != nil {
		return nil, err
	}
	return (&ptrace.ProtoMarshaler{}).MarshalTraces(traces)
}

// An OTLP event travels in Zipkin as "name|{attributes as JSON}|dropped", and
// the translator takes every annotation with two bars for one: it refuses the
// whole request for the annotation "cache|miss|users". protect rewrites what is
// no event so that it becomes an event named by its first part, with the whole
// text as an attribute.
func protect(annotation *model.Annotation) {
	name, rest, _ := strings.Cut(annotation.Value, "|")
	at := strings.LastIndexByte(rest, '|')
	if at < 0 || isEvent(rest[:at], rest[at+1:]) {
		return
	}
	attributes, err := json.Marshal(map[string]string{"zipkin.annotation": annotation.Value})
	if err != nil {
		return // strings can be encoded
	}
	annotation.Value = name + "|" + string(attributes) + "|0"
}

func isEvent(attributes, dropped string) bool {
	var decoded map[string]any
	_, err := strconv.ParseUint(dropped, 10, 32)
	return err == nil && json.Unmarshal([]byte(attributes), &decoded) == nil
}

// nested adds up the attributes of events and links, which are JSON in strings:
// at most one for each comma, and one. It returns what decoding them takes.
func nested(work *weigh.Work, span *model.SpanModel) (cost int64) {
	add := func(text string) {
		work.Attributes(1 + strings.Count(text, ","))
		cost += weigh.JSON(text)
	}
	for _, annotation := range span.Annotations {
		if strings.Contains(annotation.Value, "|") {
			add(annotation.Value)
		}
	}
	for key, value := range span.Tags {
		if strings.HasPrefix(key, "otlp.link.") {
			add(value)
		}
	}
	return cost
}
