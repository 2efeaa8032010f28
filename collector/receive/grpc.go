package receive

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/collector/receive/unary"
)

// grpcHandler decides on calls of gRPC.
type grpcHandler struct {
	intake  *intake
	via     transport
	methods map[string]method // by path
	guard   *listen.Guard     // nil lets everybody in
}

// method is what a call is for: telemetry, or a question.
type method struct {
	signal    journal.Signal
	translate translator // nil for OTLP
	// answer is set for a question, which is short.
	answer func(question []byte) ([]byte, error)
}

// newOTLPGRPC has the three methods of OTLP.
func newOTLPGRPC(in *intake) *grpcHandler {
	return &grpcHandler{intake: in, via: overGRPC, methods: map[string]method{
		"/opentelemetry.proto.collector.trace.v1.TraceService/Export":     {signal: journal.Traces},
		"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": {signal: journal.Metrics},
		"/opentelemetry.proto.collector.logs.v1.LogsService/Export":       {signal: journal.Logs},
	}}
}

// Open implements unary.Handler.
func (h *grpcHandler) Open(head *unary.Header) (unary.Call, *unary.Status) {
	c := &grpcCall{handler: h, began: head.At, method: h.methods[head.Path], held: lease{budget: h.intake.budget}}
	c.sent = buffer{blocks: &h.intake.blocks, lease: &c.held}
	if h.guard != nil {
		if err := h.guard.Admit(head.Values("authorization"), head.TLS); err != nil {
			c.method = method{} // Nothing of the call is looked at.
			return nil, c.outside(head, unauthenticated(err))
		}
	}
	if !isGRPC(head) {
		return nil, c.outside(head, unsupported(http.StatusUnsupportedMediaType, notGRPC))
	}
	if c.method.signal == 0 && c.method.answer == nil {
		return nil, c.refuse(unsupported(http.StatusOK, "no such method: "+clip(head.Path)))
	}
	var known bool
	if c.encoding, known = compressionOf(head.Get("grpc-encoding")); !known {
		return nil, c.refuse(unsupported(http.StatusOK, "message encodings are "+acceptedCompressions))
	}
	return c, nil
}

// notGRPC answers those who have taken this port for another.
const notGRPC = "this port speaks gRPC; OTLP over HTTP has a port of its own, 4318 unless it is configured otherwise"

// isGRPC says whether the request is a call with messages in protobuf.
func isGRPC(head *unary.Header) bool {
	name, _, _ := strings.Cut(head.Get("content-type"), ";")
	return head.Major == 2 && head.Method == http.MethodPost && (name == "application/grpc" || name == "application/grpc+proto")
}

// grpcCall is one call. What it holds is charged to the budget.
type grpcCall struct {
	handler  *grpcHandler
	method   method
	began    time.Time
	encoding compression // that compressed messages have
	packed   bool        // this one is compressed
	length   int64
	held     lease
	sent     buffer
}

// Begin implements unary.Call. Nothing of the message is here yet.
func (c *grpcCall) Begin(length int64, compressed bool) *unary.Status {
	if err := c.begin(length, compressed); err != nil {
		return c.refuse(err)
	}
	return nil
}

func (c *grpcCall) begin(length int64, compressed bool) error {
	switch {
	case compressed && c.encoding == identity:
		return protocolError("the message is compressed, the call does not say how")
	case compressed && c.method.answer != nil:
		return unsupported(http.StatusOK, "questions are not compressed")
	case length > maxQuestion && c.method.answer != nil:
		return unsupported(http.StatusOK, "the question is too long")
	case length > c.handler.intake.limit:
		return tooLarge("the request is larger than %d bytes", c.handler.intake.limit)
	}
	c.packed, c.length = compressed, length
	if length == 0 {
		return nil
	}
	return c.sent.admit(int(length))
}

// Write implements unary.Call.
func (c *grpcCall) Write(p []byte) *unary.Status {
	if err := c.sent.grow(p, int(c.length)); err != nil {
		return c.refuse(err)
	}
	return nil
}

// Answer implements unary.Call.
func (c *grpcCall) Answer(ctx context.Context) ([]byte, *unary.Status) {
	defer c.free()
	response, err := c.respond(ctx)
	if err != nil {
		return nil, c.refuse(err)
	}
	return response, nil
}

func (c *grpcCall) respond(ctx context.Context) ([]byte, error) {
	if c.method.answer != nil {
		return c.method.answer(c.sent.bytes())
	}
	in, req := c.handler.intake, request{signal: c.method.signal, translate: c.method.translate, length: c.length}
	if c.packed {
		req.compression = c.encoding
	}
	done, err := in.take(ctx, req, &c.sent)
	if err != nil {
		return nil, err
	}
	in.meters.answered(c.method.signal, c.handler.via, done.outcome(), c.began)
	if c.method.translate != nil {
		return nil, nil // Only OTLP's response says what was rejected.
	}
	return proto.Marshal(done.response())
}

// Abort implements unary.Call.
func (c *grpcCall) Abort(why error) *unary.Status {
	if fault, ok := errors.AsType[unary.ProtocolError](why); ok {
		return c.refuse(protocolError(fault.Error()))
	}
	switch {
	case errors.Is(why, unary.ErrSlow):
		return c.refuse(tooSlow())
	case errors.Is(why, unary.ErrCanceled):
		why = context.Canceled
	}
	return c.refuse(interrupted(why))
}

// refuse ends the call, and gives back what it holds.
func (c *grpcCall) refuse(err error) *unary.Status {
	c.free()
	refused := refusalOf(err)
	if c.method.answer == nil {
		c.handler.intake.meters.answered(c.method.signal, c.handler.via, refused.outcome, c.began)
	}
	status := &unary.Status{Code: refused.grpc, Message: refused.message}
	if raw, err := proto.Marshal(refused.status()); err == nil {
		status.Details = raw
	}
	return status
}

// outside refuses what may be no call, in the terms of HTTP then.
func (c *grpcCall) outside(head *unary.Header, refused *refusal) *unary.Status {
	status := c.refuse(refused)
	if !isGRPC(head) {
		status.HTTP, status.Challenge = refused.http, listen.Challenge
	}
	return status
}

func (c *grpcCall) free() {
	c.sent.free()
	c.held.release()
}

// protocolError is a fault in how gRPC is spoken, not in what is said.
func protocolError(message string) *refusal {
	return &refusal{outcomeMalformed, http.StatusBadRequest, codes.Internal, 0, message}
}
