package receive

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
)

// frameHeader is what precedes each message: a flag and a length.
const frameHeader = 5

// grpcHandler answers calls of gRPC on net/http's HTTP/2, after "gRPC over
// HTTP2" of the gRPC project. The methods take one message and give one, so
// little of gRPC is needed, and doing that much here is what makes admission
// exact: grpc-go hands a message out when all of it is in memory, whereas here
// its length is known, and charged, before a byte of it is read.
type grpcHandler struct {
	intake  *intake
	via     transport
	methods map[string]method // by path
}

// method is a unary method whose request is telemetry.
type method struct {
	signal    journal.Signal
	translate translator // nil for OTLP
}

// newOTLPGRPC has the three methods of OTLP.
func newOTLPGRPC(in *intake) *grpcHandler {
	return &grpcHandler{intake: in, via: overGRPC, methods: map[string]method{
		"/opentelemetry.proto.collector.trace.v1.TraceService/Export":     {signal: journal.Traces},
		"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": {signal: journal.Metrics},
		"/opentelemetry.proto.collector.logs.v1.LogsService/Export":       {signal: journal.Logs},
	}}
}

// ServeHTTP implements http.Handler.
func (h *grpcHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	if !isGRPC(r) {
		w.Header().Set("Accept", "application/grpc")
		http.Error(w, notGRPC, http.StatusUnsupportedMediaType)
		h.intake.meters.answered(0, h.via, outcomeUnsupported, began)
		return
	}
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Grpc-Accept-Encoding", "gzip,zstd")
	called := h.methods[r.URL.Path]
	done, err := h.accept(r, called)
	if err != nil {
		refused := refusalOf(err)
		h.intake.meters.answered(called.signal, h.via, refused.outcome, began)
		refuseCall(w, refused)
		return
	}
	h.intake.meters.answered(called.signal, h.via, done.outcome(), began)
	if called.translate != nil {
		done = receipt{} // only OTLP's response says what was rejected
	}
	body, err := proto.MarshalOptions{}.MarshalAppend(newFrame(), done.response())
	if err != nil {
		refuseCall(w, protocolError("the response cannot be encoded"))
		return
	}
	answerCall(w, body)
}

// accept reads the head of the call and of its message, and hands the message
// to the intake.
func (h *grpcHandler) accept(r *http.Request, called method) (receipt, error) {
	if called.signal == 0 {
		return receipt{}, unsupported(http.StatusOK, "no such method: "+clip(r.URL.Path))
	}
	ctx, cancel, err := withCallTimeout(r.Context(), r.Header.Get("Grpc-Timeout"))
	if err != nil {
		return receipt{}, err
	}
	defer cancel()
	compressed, known := compressionOf(r.Header.Get("Grpc-Encoding"))
	if !known {
		return receipt{}, unsupported(http.StatusOK, "message encodings are "+acceptedCompressions)
	}
	var header [frameHeader]byte
	if _, err := io.ReadFull(r.Body, header[:]); err != nil {
		return receipt{}, badCall(err, "the call has no message")
	}
	req := request{signal: called.signal, translate: called.translate, length: int64(binary.BigEndian.Uint32(header[1:]))}
	switch {
	case header[0] > 1:
		return receipt{}, protocolError("the message has an unknown flag")
	case header[0] == 1 && compressed == identity:
		return receipt{}, protocolError("the message is compressed, the call does not say how")
	case header[0] == 1:
		req.compression = compressed
	}
	return h.intake.accept(ctx, req, &message{body: r.Body, left: req.length})
}

// newFrame has room for the header, and for what is appended as the message.
func newFrame() []byte { return make([]byte, frameHeader, 256) }

// answerCall sends the frame and the status OK.
func answerCall(w http.ResponseWriter, body []byte) {
	binary.BigEndian.PutUint32(body[1:], uint32(len(body)-frameHeader))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body)
	w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
}

// refuseCall sends a status without a response: trailers only.
func refuseCall(w http.ResponseWriter, refused *refusal) {
	header := w.Header()
	header.Set("Grpc-Status", strconv.Itoa(int(refused.grpc)))
	header.Set("Grpc-Message", percentEncode(refused.message))
	if raw, err := proto.Marshal(refused.status()); err == nil {
		header.Set("Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString(raw))
	}
	w.WriteHeader(http.StatusOK)
}

// protocolError is a fault in how gRPC is spoken, not in what is said.
func protocolError(message string) *refusal {
	return &refusal{outcomeMalformed, http.StatusBadRequest, codes.Internal, 0, message}
}

// badCall tells a call that ended in good order, only too early, from one that
// was cut off.
func badCall(err error, message string) *refusal {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return protocolError(message)
	}
	return interrupted(err)
}

// notGRPC answers those who have taken this port for another.
const notGRPC = "this port speaks gRPC; OTLP over HTTP has a port of its own, 4318 unless it is configured otherwise"

// isGRPC says whether the request is a call with messages in protobuf.
func isGRPC(r *http.Request) bool {
	name, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return r.ProtoMajor == 2 && r.Method == http.MethodPost && (name == "application/grpc" || name == "application/grpc+proto")
}
