package httpmw

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/propagator"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// The values of error.type that are no status.
const (
	errorPanic        = "panic"
	errorAborted      = "aborted"
	errorClientClosed = "client_closed_request"
)

// exchange is all that is kept of one request to a server, in one piece of
// memory. It belongs to the goroutine of the handler, except for the route and
// the size of the request's body. It is not used again, as a handler may leave
// a goroutine behind that still has it.
type exchange struct {
	w        http.ResponseWriter
	server   *server
	span     trace.Span
	request  http.Request // the one that the handler has got
	caller   propagator.Remote
	ctx      requestContext
	sizes    *bodySizes // nil unless they are wanted
	began    time.Time
	activity *activity
	// scratch has the attributes that wait for the span to end; nil if none do.
	scratch *instrument.Scratch

	route atomic.Pointer[string]

	status   int  // of the response; 0 as long as none is written
	unseen   bool // the status was written when the client had gone
	failed   bool // a write has failed
	hijacked bool
	ended    bool
	timed    bool // Server-Timing is there

	// told holds the values of the headers that tell the trace, and text what
	// they consist of.
	told [2]string
	text propagator.Traceparent
}

// announce tells the response's reader which trace it is of.
func (x *exchange) announce() {
	sc := x.span.SpanContext()
	if !sc.IsValid() || sc.IsRemote() { // the span of an SDK that is disabled is the caller's
		return
	}
	value := x.text.Of(sc)
	x.told = [2]string{propagator.TraceIDOf(value), value}
	header := x.w.Header()
	header[traceIDHeader] = x.told[0:1:1]
	header[traceResponseHeader] = x.told[1:2:2]
}

// end records the request; cause is what its handler panicked with. Only the
// first call counts.
func (x *exchange) end(cause any) {
	if x.ended {
		return
	}
	x.ended = true
	x.activity.gauge.Dec()
	if x.status == 0 && !x.hijacked { // The server is about to answer for the handler.
		x.time()
	}
	series := serverSeries{activity: x.activity, route: x.routeFound(), version: protocolVersion(x.request.ProtoMajor, x.request.ProtoMinor)}
	series.status, series.errorType = x.outcome(cause)
	if x.span.IsRecording() {
		x.describe(series, cause)
	}
	x.span.End()
	x.server.metrics.observe(series, instrument.Took(x.span, x.began), x)
}

// gone is not nil when the client has gone away.
func (x *exchange) gone() error { return x.ctx.Err() }

// routeFound is what SetRoute or ReportRoute told, or the pattern of the last
// mux that the request itself went through.
func (x *exchange) routeFound() string {
	if told := x.route.Load(); told != nil {
		return *told
	}
	return routeOf(x.request.Pattern)
}

// outcome is the status that the client got, 0 if it got none, and error.type.
func (x *exchange) outcome(cause any) (status int, errorType string) {
	aborted := cause == any(http.ErrAbortHandler)
	gone := errors.Is(x.gone(), context.Canceled)
	switch {
	case cause != nil && !aborted:
		if x.status == 0 {
			return http.StatusInternalServerError, errorPanic
		}
		return x.status, errorPanic
	case gone && (x.status == 0 || x.unseen) && !x.hijacked:
		return 0, errorClientClosed
	case gone && x.failed && x.status < http.StatusInternalServerError:
		return x.status, errorClientClosed
	case aborted:
		return x.status, errorAborted
	case x.status == 0 && !x.hijacked:
		return http.StatusOK, ""
	case x.status >= http.StatusInternalServerError:
		return x.status, strconv.Itoa(x.status)
	}
	return x.status, ""
}

// describe completes the span.
func (x *exchange) describe(series serverSeries, cause any) {
	scratch, waited := x.scratch, 0
	if x.scratch = nil; scratch == nil {
		scratch = instrument.Borrow()
	} else {
		waited = len(scratch.Attributes)
	}
	defer scratch.Return()
	if series.status != 0 {
		scratch.Add(semconv.HTTPResponseStatusCode.Int(series.status))
	}
	if series.route != "" {
		scratch.Add(semconv.HTTPRoute.String(series.route))
		x.span.SetName(x.server.names.Of(operation{series.method, series.route}))
	}
	if series.errorType != "" {
		scratch.Add(semconv.ErrorType.String(series.errorType))
	}
	if x.sizes != nil {
		scratch.Add(semconv.HTTPRequestBodySize.Int64(x.requestSize()))
		scratch.Add(semconv.HTTPResponseBodySize.Int64(x.sizes.response))
	}
	capture(scratch, x.server.responseHeaders, x.w.Header())
	scratch.Complete(x.span, waited)
	switch {
	case series.errorType == errorPanic:
		x.span.SetStatus(codes.Error, "handler panicked")
		instrument.RecordPanic(x.span, cause)
	case series.status >= http.StatusInternalServerError:
		x.span.SetStatus(codes.Error, "")
	}
}
