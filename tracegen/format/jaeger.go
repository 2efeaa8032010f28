package format

import (
	"context"
	"fmt"

	"github.com/apache/thrift/lib/go/thrift"
	model "github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	translator "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/jaeger"
)

// Jaeger is a batch in binary Thrift for each service.
func Jaeger(request []byte) ([][]byte, error) {
	traces, err := decode(request)
	if err != nil {
		return nil, err
	}
	var bodies [][]byte
	for _, batch := range translator.ProtoFromTraces(traces) {
		body, err := thrift.NewTSerializer().Write(context.Background(), toThrift(batch))
		if err != nil {
			return nil, fmt.Errorf("encode Thrift: %w", err)
		}
		bodies = append(bodies, body)
	}
	return bodies, nil
}

// toThrift says in Thrift what the model says; the two differ in form only.
func toThrift(batch *model.Batch) *jaeger.Batch {
	out := &jaeger.Batch{Process: &jaeger.Process{ServiceName: batch.GetProcess().GetServiceName(), Tags: toTags(batch.GetProcess().GetTags())}}
	for _, s := range batch.GetSpans() {
		span := &jaeger.Span{
			TraceIdLow: int64(s.TraceID.Low), TraceIdHigh: int64(s.TraceID.High), SpanId: int64(s.SpanID),
			OperationName: s.OperationName, Flags: int32(s.Flags),
			StartTime: s.StartTime.UnixMicro(), Duration: s.Duration.Microseconds(), Tags: toTags(s.Tags),
		}
		for i, r := range s.References {
			if i == 0 && r.RefType == model.ChildOf {
				span.ParentSpanId = int64(r.SpanID)
			}
			span.References = append(span.References, &jaeger.SpanRef{
				RefType:    jaeger.SpanRefType(r.RefType),
				TraceIdLow: int64(r.TraceID.Low), TraceIdHigh: int64(r.TraceID.High), SpanId: int64(r.SpanID),
			})
		}
		for _, l := range s.Logs {
			span.Logs = append(span.Logs, &jaeger.Log{Timestamp: l.Timestamp.UnixMicro(), Fields: toTags(l.Fields)})
		}
		out.Spans = append(out.Spans, span)
	}
	return out
}

func toTags(pairs []model.KeyValue) []*jaeger.Tag {
	tags := make([]*jaeger.Tag, 0, len(pairs))
	for i := range pairs {
		pair := &pairs[i]
		tag := &jaeger.Tag{Key: pair.Key}
		switch pair.VType {
		case model.BoolType:
			tag.VType, tag.VBool = jaeger.TagType_BOOL, &pair.VBool
		case model.Int64Type:
			tag.VType, tag.VLong = jaeger.TagType_LONG, &pair.VInt64
		case model.Float64Type:
			tag.VType, tag.VDouble = jaeger.TagType_DOUBLE, &pair.VFloat64
		case model.BinaryType:
			tag.VType, tag.VBinary = jaeger.TagType_BINARY, pair.VBinary
		default:
			tag.VType, tag.VStr = jaeger.TagType_STRING, &pair.VStr
		}
		tags = append(tags, tag)
	}
	return tags
}
