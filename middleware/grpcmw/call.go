package grpcmw

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/propagator"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// call is one call, or on a client one attempt of it. It is the context that
// TagRPC returns, so that it is found again without a further allocation.
//
// A stream's messages and its end may come from different goroutines.
type call struct {
	context.Context
	*observer
	method string
	span   trace.Span // nil if the filter wants none

	started time.Time // on a server only, and zero if the span tells it
	begun   bool      // gRPC has a handler for it, and tells how it ends
	stream  bool      // either side may send several messages

	// What an interceptor has seen, on a server; see ServerOptions.
	failure  error // what the handler has returned
	panicked bool

	// Who calls, or is called, becomes attributes only at the end, together
	// with the status, because the span's list grows each time it is added to.
	inHeader  *stats.InHeader
	outHeader atomic.Pointer[stats.OutHeader] // An attempt may be ended while it begins.

	sent, received atomic.Int64
}

// servedCall and madeCall have beside the call what carries its trace, so that
// this costs no memory of its own.
type (
	servedCall struct {
		call
		caller   propagator.Remote
		incoming incoming
	}
	madeCall struct {
		call
		outgoing outgoing
		text     propagator.Traceparent
	}
)

// Value gives the call itself to the observer that made it: the handlers of
// several servers and clients may all have one in the same context.
func (c *call) Value(key any) any {
	if key == any(c.observer) {
		return c
	}
	return c.Context.Value(key)
}

// callOf finds the call that TagRPC has made, or nil.
func (o *observer) callOf(ctx context.Context) *call {
	c, _ := ctx.Value(o).(*call)
	return c
}

// traced starts the call's span, if it is to have one.
func (c *call) traced(options []trace.SpanStartOption) {
	if c.trace(c.method) {
		c.Context, c.span = c.tracer.Start(c.Context, c.method, options...)
	}
}

// recording tells whether attributes are worth making.
func (c *call) recording() bool { return c.span != nil && c.span.IsRecording() }

// observe takes what both sides are told alike.
func (c *call) observe(rs stats.RPCStats) {
	switch rs := rs.(type) {
	case *stats.Begin:
		c.begun = true
		c.stream = rs.IsClientStream || rs.IsServerStream
		c.methods.add(c.method)
		if rs.IsTransparentRetryAttempt && c.recording() {
			c.span.SetAttributes(semconv.GRPCTransparentRetry.Bool(true))
		}
	case *stats.InPayload:
		c.message(semconv.GRPCInboundMessage, &c.received, rs.Length, rs.CompressedLength)
	case *stats.OutPayload:
		c.message(semconv.GRPCOutboundMessage, &c.sent, rs.Length, rs.CompressedLength)
	}
}

// message counts one message, and adds its event if events are wanted; sizes
// are in bytes.
func (c *call) message(event string, count *atomic.Int64, size, compressed int) {
	if !c.recording() {
		return
	}
	sequence := count.Add(1) - 1
	if !c.messageEvents {
		return
	}
	attributes := []attribute.KeyValue{semconv.GRPCMessageSequence.Int64(sequence), semconv.GRPCMessageSize.Int(size)}
	if compressed != size {
		attributes = append(attributes, semconv.GRPCMessageSizeCompressed.Int(compressed))
	}
	c.span.AddEvent(event, trace.WithAttributes(attributes...))
}

// end ends the span and measures the call. abandoned says that the caller has
// cancelled its context: if that is how the call ended, it is no error
// (semantic-conventions#3494).
func (c *call) end(err error, began, ended time.Time, abandoned bool) {
	s := statusOf(err)
	if c.panicked && s.Code() == codes.OK {
		s = status.New(codes.Internal, "") // Nobody has recovered from it, so nobody has said what it is.
	}
	o := outcome{status: statusName(s.Code()), message: s.Message()}
	abandoned = abandoned && s.Code() == codes.Canceled
	switch {
	case c.panicked:
		o.errorType, o.message = errorPanic, "handler panicked"
	case s.Code() != codes.OK && !abandoned && c.isError(c.method, s.Code()):
		o.errorType = o.status
	}
	var exemplar trace.SpanContext
	if c.span != nil {
		if c.span.IsRecording() {
			c.describe(o)
		}
		c.span.End()
		exemplar = c.span.SpanContext()
	}
	c.duration.Observe(series{method: c.method, status: o.status, errorType: o.errorType}, ended.Sub(began), ended, exemplar)
}

// errorPanic is the error.type of a call whose handler has panicked.
const errorPanic = "panic"

// outcome is how a call has ended.
type outcome struct {
	status    string // by name
	errorType string // empty if that is no error
	message   string
}

func (c *call) describe(o outcome) {
	scratch := instrument.Borrow()
	defer scratch.Return()
	if !c.methods.early {
		scratch.Add(semconv.RPCSystemName.String(system))
		scratch.Add(semconv.RPCMethod.String(c.method))
	}
	scratch.Add(semconv.RPCResponseStatusCode.String(o.status))
	if o.errorType != "" {
		scratch.Add(semconv.ErrorType.String(o.errorType))
		c.span.SetStatus(otelcodes.Error, o.message)
		c.explain()
	}
	if c.stream {
		scratch.Add(semconv.RPCMessagesSent.Int64(c.sent.Load()))
		scratch.Add(semconv.RPCMessagesReceived.Int64(c.received.Load()))
	}
	if c.inHeader != nil {
		scratch.Attributes = appendCaller(scratch.Attributes, c.inHeader)
	}
	if header := c.outHeader.Load(); header != nil {
		scratch.Attributes = appendCalled(scratch.Attributes, header)
	}
	c.span.SetAttributes(scratch.Attributes...)
}

// explain adds the error that became the status, if it was more than that.
func (c *call) explain() {
	if c.failure == nil {
		return
	}
	if _, plain := c.failure.(interface{ GRPCStatus() *status.Status }); !plain {
		instrument.RecordError(c.span, c.failure)
	}
}
