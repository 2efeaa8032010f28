package receive

import (
	"bytes"
	"errors"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
)

// jsonCost estimates the memory, in bytes, that it takes to decode text: a
// copy of it with its ids rewritten, the messages, and their encoding. What a
// few bytes of JSON can make a decoder allocate are messages, one for each
// brace, and elements of lists, one for each comma.
func jsonCost(text []byte) int64 {
	return int64(4*len(text) + 300*bytes.Count(text, []byte("{")) + 40*bytes.Count(text, []byte(",")))
}

// fromJSON returns a request in JSON as protobuf. Unlike protobuf it must be
// decoded, and is admitted a second time for what that takes.
func (in *intake) fromJSON(held *lease, signal journal.Signal, text []byte) ([]byte, error) {
	if len(text) == 0 {
		return nil, malformed(errors.New("a request in JSON is at least {}"))
	}
	if err := held.take(jsonCost(text)); err != nil {
		return nil, err
	}
	message, ids := jsonSchema(signal)
	rewritten, err := rewriteIDs(text, ids)
	if err != nil {
		return nil, malformed(err)
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(rewritten, message); err != nil {
		return nil, malformed(err)
	}
	payload, err := proto.Marshal(message)
	if err != nil {
		return nil, malformed(err)
	}
	if int64(len(payload)) > in.limit {
		return nil, tooLarge("the request is larger than %d bytes", in.limit)
	}
	return payload, nil
}

// jsonSchema has the message that a signal's requests decode to, and where its
// JSON has ids.
func jsonSchema(signal journal.Signal) (proto.Message, *idSchema) {
	switch signal {
	case journal.Metrics:
		return &colmetrics.ExportMetricsServiceRequest{}, metricIDs()
	case journal.Logs:
		return &collogs.ExportLogsServiceRequest{}, logIDs()
	default:
		return &coltrace.ExportTraceServiceRequest{}, spanIDs()
	}
}
