package receive

import (
	"context"
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

// grpcHandler answers OTLP over gRPC on net/http's HTTP/2, after "gRPC over
// HTTP2" of the gRPC project. The three methods take one message and give one,
// so little of gRPC is needed, and doing that much here is what makes admission
// exact: grpc-go hands a message out when all of it is in memory, whereas here
// its length is known, and charged, before a byte of it is read.
type grpcHandler struct{ intake *intake }

// ServeHTTP implements http.Handler.
func (h *grpcHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	if !isGRPC(r) {
		w.Header().Set("Accept", "application/grpc")
		w.WriteHeader(http.StatusUnsupportedMediaType)
		h.intake.meters.answered(0, overGRPC, outcomeUnsupported, began)
		return
	}
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Grpc-Accept-Encoding", "gzip,zstd")
	signal := signalOfMethod(r.URL.Path)
	done, err := h.accept(r, signal)
	if err != nil {
		refused := refusalOf(err)
		h.intake.meters.answered(signal, overGRPC, refused.outcome, began)
		refuseCall(w, refused)
		return
	}
	h.intake.meters.answered(signal, overGRPC, done.outcome(), began)
	answerCall(w, done)
}

// accept reads the head of the call and of its message, and hands the message
// to the intake.
func (h *grpcHandler) accept(r *http.Request, signal journal.Signal) (receipt, error) {
	if signal == 0 {
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
	req := request{signal: signal, length: int64(binary.BigEndian.Uint32(header[1:]))}
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

// message reads the one message of a call, and that nothing follows it.
type message struct {
	body  io.Reader
	left  int64
	extra [1]byte
}

// Read implements io.Reader.
func (m *message) Read(p []byte) (int, error) {
	if m.left == 0 {
		n, err := m.body.Read(m.extra[:])
		if n > 0 {
			return 0, protocolError("the call has more than one message")
		}
		return 0, err
	}
	n, err := m.body.Read(p[:min(int64(len(p)), m.left)])
	m.left -= int64(n)
	if errors.Is(err, io.EOF) && m.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// answerCall sends the response and the status OK.
func answerCall(w http.ResponseWriter, done receipt) {
	body, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, frameHeader, 256), done.response())
	if err != nil {
		refuseCall(w, protocolError("the response cannot be encoded"))
		return
	}
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

// isGRPC says whether the request is a call with messages in protobuf.
func isGRPC(r *http.Request) bool {
	name, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return r.Method == http.MethodPost && (name == "application/grpc" || name == "application/grpc+proto")
}

func signalOfMethod(path string) journal.Signal {
	switch path {
	case "/opentelemetry.proto.collector.trace.v1.TraceService/Export":
		return journal.Traces
	case "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export":
		return journal.Metrics
	case "/opentelemetry.proto.collector.logs.v1.LogsService/Export":
		return journal.Logs
	}
	return 0
}

// withCallTimeout obeys the header grpc-timeout: up to eight digits and a unit.
func withCallTimeout(ctx context.Context, value string) (context.Context, context.CancelFunc, error) {
	if value == "" {
		return ctx, func() {}, nil
	}
	digits, unit := value[:len(value)-1], value[len(value)-1:]
	n, err := strconv.ParseUint(digits, 10, 32)
	scale := timeoutUnit(unit)
	if err != nil || len(digits) > 8 || scale == 0 {
		return nil, nil, protocolError("malformed grpc-timeout")
	}
	// The longest, 99999999 hours, would overflow; nobody waits for an hour.
	timeout := time.Hour
	if n < uint64(timeout/scale) {
		timeout = time.Duration(n) * scale
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	return ctx, cancel, nil
}

func timeoutUnit(unit string) time.Duration {
	switch unit {
	case "H":
		return time.Hour
	case "M":
		return time.Minute
	case "S":
		return time.Second
	case "m":
		return time.Millisecond
	case "u":
		return time.Microsecond
	case "n":
		return time.Nanosecond
	}
	return 0
}

// percentEncode writes a grpc-message: printable ASCII without '%' as it is.
func percentEncode(message string) string {
	const digits = "0123456789ABCDEF"
	var out strings.Builder
	for _, c := range []byte(message) {
		if c >= ' ' && c <= '~' && c != '%' {
			out.WriteByte(c)
			continue
		}
		out.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
	return out.String()
}
