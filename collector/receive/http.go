package receive

import (
	"errors"
	"mime"
	"net/http"
	"strconv"
	"time"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
)

// The two encodings of a request over HTTP; the answer has the same.
const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
)

// httpHandler answers OTLP over HTTP, after the section "OTLP/HTTP" of the
// specification.
type httpHandler struct{ intake *intake }

// ServeHTTP implements http.Handler.
func (h *httpHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	mediaType := mediaTypeOf(r)
	req := request{signal: signalOfPath(r.URL.Path), json: mediaType == jsonType, length: r.ContentLength}
	done, err := h.accept(w, r, &req, mediaType)
	if err != nil {
		refused := refusalOf(err)
		h.intake.meters.answered(req.signal, overHTTP, refused.outcome, began)
		h.refuse(w, refused, mediaType)
		return
	}
	h.intake.meters.answered(req.signal, overHTTP, done.outcome(), began)
	answer(w, http.StatusOK, mediaType, done.response())
}

// accept checks the request's head, and hands the rest to the intake.
func (h *httpHandler) accept(w http.ResponseWriter, r *http.Request, req *request, mediaType string) (receipt, error) {
	if req.signal == 0 {
		return receipt{}, unsupported(http.StatusNotFound, "no such path; there are /v1/traces, /v1/metrics and /v1/logs")
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return receipt{}, unsupported(http.StatusMethodNotAllowed, "export requests are sent by POST")
	}
	if mediaType == "" {
		w.Header().Set("Accept", protobufType+", "+jsonType)
		return receipt{}, unsupported(http.StatusUnsupportedMediaType, "export requests are "+protobufType+" or "+jsonType)
	}
	var known bool
	if req.compression, known = compressionOf(r.Header.Get("Content-Encoding")); !known {
		w.Header().Set("Accept-Encoding", acceptedCompressions)
		return receipt{}, unsupported(http.StatusUnsupportedMediaType, "content encodings are "+acceptedCompressions)
	}
	return h.intake.accept(r.Context(), *req, h.intake.pace.of(w, r))
}

// refuse answers with a google.rpc.Status. What came in no encoding of ours is
// answered in JSON, which people can read.
func (h *httpHandler) refuse(w http.ResponseWriter, refused *refusal, mediaType string) {
	if refused.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(refused.retry.Seconds())))
	}
	if mediaType == "" {
		mediaType = jsonType
	}
	answer(w, refused.http, mediaType, refused.status())
}

// answer sends a message in that encoding.
func answer(w http.ResponseWriter, status int, mediaType string, message proto.Message) {
	marshal := proto.Marshal
	if mediaType == jsonType {
		marshal = protojson.Marshal
	}
	body, err := marshal(message)
	if err != nil {
		status, body = http.StatusInternalServerError, nil
	}
	header := w.Header()
	header.Set("Content-Type", mediaType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// response is the Export…ServiceResponse; those of the three signals differ
// only where something was rejected, which happens to spans alone.
func (r receipt) response() *coltrace.ExportTraceServiceResponse {
	if r.rejected == 0 {
		return &coltrace.ExportTraceServiceResponse{}
	}
	return &coltrace.ExportTraceServiceResponse{PartialSuccess: &coltrace.ExportTracePartialSuccess{
		RejectedSpans: int64(r.rejected),
		ErrorMessage:  r.message(),
	}}
}

func signalOfPath(path string) journal.Signal {
	switch path {
	case "/v1/traces":
		return journal.Traces
	case "/v1/metrics":
		return journal.Metrics
	case "/v1/logs":
		return journal.Logs
	}
	return 0
}

// mediaTypeOf is one of the two, or empty.
func mediaTypeOf(r *http.Request) string {
	switch name, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); {
	case err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter):
		return ""
	case name == protobufType, name == jsonType:
		return name
	}
	return ""
}
