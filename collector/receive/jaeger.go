package receive

import (
	"net/http"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/receive/jaeger"
)

// newJaegerHTTP takes what Jaeger's clients post to its collector, and answers
// those that ask there for their sampling strategy.
func newJaegerHTTP(in *intake, strategies *Strategies) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/sampling", &samplingHandler{strategies, jaeger.Strategy.JSON})
	mux.Handle("/", &pushHandler{
		intake: in, via: overJaegerHTTP, signal: journal.Traces,
		paths: []string{"/api/traces"}, accepted: http.StatusAccepted, format: jaegerFormat,
	})
	return mux
}

// jaegerFormat answers as Jaeger does: 400 to another media type.
func jaegerFormat(r *http.Request) (format, error) {
	switch name, _ := contentTypeOf(r); name {
	case "application/x-thrift", "application/vnd.apache.thrift.binary":
	default:
		return format{}, unsupported(http.StatusBadRequest, "batches are application/x-thrift or application/vnd.apache.thrift.binary")
	}
	compressed, err := contentEncodingOf(r)
	return format{jaeger.FromBinaryBatch, compressed}, err
}

// newJaegerGRPC takes what Jaeger's agents and clients send to its collector,
// and answers agents that ask on behalf of their clients what to sample.
func newJaegerGRPC(in *intake, strategies *Strategies) *grpcHandler {
	return &grpcHandler{intake: in, via: overJaegerGRPC, methods: map[string]method{
		"/jaeger.api_v2.CollectorService/PostSpans":          {signal: journal.Traces, translate: jaeger.FromPostSpans},
		"/jaeger.api_v2.SamplingManager/GetSamplingStrategy": {answer: strategies.answer},
	}}
}
