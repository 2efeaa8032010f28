package grpcmw

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// errNoMethod is what the caller of an unknown method is answered.
var errNoMethod = status.Error(codes.Unimplemented, "unknown service or method")

// serverHandler observes the calls that a server answers.
type serverHandler struct{ *observer }

// TagRPC implements stats.Handler: it takes the trace out of the metadata and
// starts the span.
func (h *serverHandler) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	served := &servedCall{call: call{observer: h.observer, method: strings.TrimPrefix(info.FullMethodName, "/")}, incoming: incoming{ctx}}
	c := &served.call
	c.Context = h.wire.Extract(ctx, &served.incoming, &served.caller)
	options := h.methods.startOptions(c.method)
	if h.public {
		options = c.detach(options)
	}
	c.traced(options)
	if !c.recording() {
		c.started = time.Now()
	}
	return c
}

// detach takes the caller's trace away, but for a link.
func (c *call) detach(options []trace.SpanStartOption) []trace.SpanStartOption {
	caller := trace.SpanContextFromContext(c.Context)
	if !caller.IsRemote() {
		return options
	}
	c.Context = trace.ContextWithSpanContext(c.Context, trace.SpanContext{})
	return append(slices.Clip(options), trace.WithLinks(trace.Link{SpanContext: caller}))
}

// HandleRPC implements stats.Handler.
func (h *serverHandler) HandleRPC(ctx context.Context, rs stats.RPCStats) {
	c := h.callOf(ctx)
	if c == nil {
		return
	}
	switch rs := rs.(type) {
	case *stats.InHeader:
		c.inHeader = rs
	case *stats.OutTrailer:
		// gRPC begins and ends only the calls of methods that it has.
		if !c.begun {
			c.unknown()
		}
	case *stats.End:
		c.end(rs.Error, rs.BeginTime, rs.EndTime, false)
	default:
		c.observe(rs)
	}
}

// appendCaller tells who calls. The authority is what the caller says, so it is
// on the span only.
func appendCaller(attributes []attribute.KeyValue, header *stats.InHeader) []attribute.KeyValue {
	attributes = appendPeer(attributes, header.RemoteAddr)
	if authority := header.Header[":authority"]; len(authority) == 1 {
		attributes = appendHostPort(attributes, authority[0], semconv.ServerAddress, semconv.ServerPort)
	}
	if before := header.Header["grpc-previous-rpc-attempts"]; len(before) == 1 {
		if n, err := strconv.Atoi(before[0]); err == nil {
			attributes = append(attributes, semconv.GRPCPreviousAttempts.Int(n))
		}
	}
	return attributes
}

// unknown ends the call of a method that the server does not have.
func (c *call) unknown() {
	if c.recording() {
		c.span.SetName(otherMethod)
		c.span.SetAttributes(semconv.RPCMethod.String(otherMethod), semconv.RPCMethodOriginal.String(c.method))
	}
	c.method = otherMethod
	began := c.started
	if began.IsZero() {
		began = instrument.Began(c.span)
	}
	c.end(errNoMethod, began, time.Now(), false)
}

// TagConn implements stats.Handler.
func (*serverHandler) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (*serverHandler) HandleConn(context.Context, stats.ConnStats) {}
