package jaeger

import (
	"errors"

	"github.com/jaegertracing/jaeger-idl/model/v1"
	translator "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/jaeger"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/waybill-dev/waybill/collector/receive/weigh"
)

// batchField is the one field of a PostSpansRequest:
//
//	message PostSpansRequest { Batch batch = 1; }
const batchField = 1

// postSpans has what takes memory in a PostSpansRequest, after model.proto:
//
//	message Batch    { repeated Span spans = 1; Process process = 2; }
//	message Process  { string service_name = 1; repeated KeyValue tags = 2; }
//	message Log      { Timestamp timestamp = 1; repeated KeyValue fields = 2; }
//	message Span     { repeated SpanRef references = 4; Timestamp start_time = 6; Duration duration = 7;
//	                   repeated KeyValue tags = 8; repeated Log logs = 9; Process process = 10;
//	                   repeated string warnings = 12; … }
func postSpans() weigh.Schema {
	process := weigh.Schema{2: nil}
	log := weigh.Schema{1: nil, 2: nil}
	span := weigh.Schema{4: nil, 6: nil, 7: nil, 8: nil, 9: log, 10: process, 12: nil}
	return weigh.Schema{batchField: weigh.Schema{1: span, 2: process}}
}

// FromPostSpans translates a PostSpansRequest of jaeger.api_v2. admit is asked
// for memory, in bytes, before it is used, and its error is returned as it is.
// The payload is not changed.
func FromPostSpans(payload []byte, admit func(bytes int64) error) ([]byte, error) {
	cost, err := weigh.Protobuf(payload, postSpans())
	if err != nil {
		return nil, err
	}
	if err := admit(cost); err != nil {
		return nil, err
	}
	batch, err := batchOf(payload)
	if err != nil {
		return nil, err
	}
	if err := workOfModel(batch); err != nil {
		return nil, err
	}
	traces, err := translator.ProtoToTraces([]*model.Batch{batch})
	if err != nil {
		return nil, err
	}
	return encode(traces)
}

// batchOf decodes the request. The package api_v2 would do it too, and bring
// clients and servers with it.
func batchOf(payload []byte) (*model.Batch, error) {
	batch := &model.Batch{}
	for len(payload) > 0 {
		number, wireType, size := protowire.ConsumeField(payload)
		if size < 0 {
			return nil, errors.New("truncated PostSpansRequest")
		}
		if number == batchField && wireType == protowire.BytesType {
			_, _, tag := protowire.ConsumeTag(payload)
			value, _ := protowire.ConsumeBytes(payload[tag:])
			// A field that comes twice is merged, as protobuf demands.
			part := &model.Batch{}
			if err := part.Unmarshal(value); err != nil {
				return nil, err
			}
			batch.Spans = append(batch.Spans, part.Spans...)
			if part.Process != nil {
				batch.Process = part.Process
			}
		}
		payload = payload[size:]
	}
	return batch, nil
}

func workOfModel(batch *model.Batch) error {
	var work weigh.Work
	work.Attributes(len(batch.GetProcess().GetTags()))
	for _, span := range batch.Spans {
		work.Attributes(len(span.Tags))
		work.Attributes(len(span.GetProcess().GetTags()))
		for _, log := range span.Logs {
			work.Attributes(len(log.Fields))
		}
	}
	return work.Err()
}
