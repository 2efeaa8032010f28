package tracegen

import (
	"maps"
	"slices"

	"github.com/waybill-dev/waybill/tracegen/format"
)

// Protocol is a way to send traces.
type Protocol string

// The protocols.
const (
	// HTTP is OTLP over HTTP, in protobuf.
	HTTP Protocol = "http"
	// GRPC is OTLP over gRPC.
	GRPC Protocol = "grpc"
	// HTTPJSON is OTLP over HTTP, in JSON.
	HTTPJSON Protocol = "http/json"
	// Jaeger is what Jaeger's retired clients post to its collector: Thrift over
	// HTTP, a request for each service.
	Jaeger Protocol = "jaeger"
	// Zipkin is Zipkin's second format, in JSON.
	Zipkin Protocol = "zipkin"
)

// dialect is what sets a protocol apart. Traces are made as OTLP in protobuf;
// the others are translated from that, which costs several times as much as
// making them.
type dialect struct {
	// endpoint is where a receiver is, unless said.
	endpoint string
	// path is where it takes traces; OTLP has others for other signals.
	path        string
	contentType string
	// translate makes the bodies of one request for traces; nil sends it as it
	// is. logs and metrics do the same for theirs.
	translate, logs, metrics func(request []byte) ([][]byte, error)
	// tracesOnly is of protocols that know nothing else.
	tracesOnly bool
}

var dialects = map[Protocol]dialect{
	HTTP: {endpoint: "http://127.0.0.1:4318", contentType: "application/x-protobuf"},
	GRPC: {endpoint: "127.0.0.1:4317"},
	HTTPJSON: {
		endpoint: "http://127.0.0.1:4318", contentType: "application/json",
		translate: format.JSON, logs: format.LogsJSON, metrics: format.MetricsJSON,
	},
	Jaeger: {
		endpoint: "http://127.0.0.1:14268", path: "api/traces", contentType: "application/vnd.apache.thrift.binary",
		translate: format.Jaeger, tracesOnly: true,
	},
	Zipkin: {
		endpoint: "http://127.0.0.1:9411", path: "api/v2/spans", contentType: "application/json", translate: format.Zipkin, tracesOnly: true,
	},
}

// say says an encoded OTLP request in the protocol.
func (d dialect) say(signal signal, request []byte) ([][]byte, error) {
	translate := [...]func([]byte) ([][]byte, error){traces: d.translate, logs: d.logs, metricPoints: d.metrics}[signal]
	if translate == nil {
		return [][]byte{request}, nil
	}
	return translate(request)
}

// DefaultEndpoint is where a receiver of the protocol is on this machine.
func (p Protocol) DefaultEndpoint() string { return dialects[p].endpoint }

// Protocols are those that are known.
func Protocols() []Protocol { return slices.Sorted(maps.Keys(dialects)) }

// signal is what a body carries.
type signal uint8

const (
	traces signal = iota
	logs
	metricPoints
)

// paths are OTLP's by signal, and methods are gRPC's.
var (
	paths   = [...]string{traces: "v1/traces", logs: "v1/logs", metricPoints: "v1/metrics"}
	methods = [...]string{
		traces:       "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
		logs:         "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
		metricPoints: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
	}
)
