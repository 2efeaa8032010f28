package receive

import (
	"io"
	"net/http"
	"strconv"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/receive/jaeger"
)

// maxQuestion is more than a call for a strategy has, in bytes: a service's name.
const maxQuestion = 64 << 10

// newJaegerHTTP takes what Jaeger's clients post to its collector, and answers
// those that ask there for their sampling strategy.
func newJaegerHTTP(in *intake, probability float64) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/sampling", &samplingHandler{probability})
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
func newJaegerGRPC(in *intake, probability float64) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/jaeger.api_v2.SamplingManager/GetSamplingStrategy", &samplingCall{probability})
	mux.Handle("/", &grpcHandler{intake: in, via: overJaegerGRPC, methods: map[string]method{
		"/jaeger.api_v2.CollectorService/PostSpans": {signal: journal.Traces, translate: jaeger.FromPostSpans},
	}})
	return mux
}

// samplingCall tells the same strategy over gRPC, whichever service asks.
type samplingCall struct{ probability float64 }

// ServeHTTP implements http.Handler.
func (h *samplingCall) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !isGRPC(r) {
		w.Header().Set("Accept", "application/grpc")
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, maxQuestion))
	w.Header().Set("Content-Type", "application/grpc")
	answerCall(w, jaeger.AppendStrategy(newFrame(), h.probability))
}

// newSampling answers as Jaeger's agent does on port 5778: at / in the form
// for clients before version 1. No baggage is restricted.
func newSampling(probability float64) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/sampling", &samplingHandler{probability})
	mux.Handle("/{$}", &legacySamplingHandler{probability})
	mux.HandleFunc("/baggageRestrictions", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, []byte("[]")) })
	return mux
}

// samplingHandler tells every service the same strategy.
type samplingHandler struct{ probability float64 }

// ServeHTTP implements http.Handler.
func (h *samplingHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if hasService(w, r) {
		writeJSON(w, jaeger.Strategy(h.probability))
	}
}

// legacySamplingHandler does so in the older form.
type legacySamplingHandler struct{ probability float64 }

// ServeHTTP implements http.Handler.
func (h *legacySamplingHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if hasService(w, r) {
		writeJSON(w, jaeger.LegacyStrategy(h.probability))
	}
}

// hasService checks the question, and answers it when it is none.
func hasService(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "strategies are asked for by GET", http.StatusMethodNotAllowed)
		return false
	}
	if len(r.URL.Query()["service"]) != 1 {
		http.Error(w, "'service' parameter must be provided once", http.StatusBadRequest)
		return false
	}
	return true
}

func writeJSON(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}
