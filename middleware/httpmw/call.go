package httpmw

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/neterror"
	"github.com/waybill-dev/waybill/middleware/internal/propagator"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// call is all that is kept of one request of a client, in one piece of memory.
// It is the body of the response, too. Its methods are as safe for concurrent
// use as those of the body beneath.
type call struct {
	transport *transport
	span      trace.Span
	began     time.Time
	// caller is the context of the request, which its owner may cancel.
	caller context.Context
	series clientSeries
	// scratch has the attributes that wait for the span to end; nil if none do.
	scratch *instrument.Scratch

	body io.ReadCloser
	// reading counts the reads under way; touched is when the last one ended,
	// as time since began.
	reading atomic.Int32
	touched atomic.Int64

	mu    sync.Mutex
	ended bool

	// The neighbours among the calls of the transport that are unread. They are
	// its own.
	watched        bool
	previous, next *call

	header outgoingHeader
	text   propagator.Traceparent
	phases *phases // nil unless they are wanted
}

// outgoingHeader has room for the header that nearly every request gets.
type outgoingHeader struct {
	headers
	values [1]string
}

// Set is as in propagation.TextMapCarrier.
func (h *outgoingHeader) Set(key, value string) {
	if key != "traceparent" {
		h.headers.Set(key, value)
		return
	}
	h.values[0] = value
	h.headers[canonical(key)] = h.values[:]
}

// answered takes in the head of the response, and observes its body if there
// is one to wait for. The body of a 101 is a connection, and left alone.
func (c *call) answered(response *http.Response) {
	c.series.status = response.StatusCode
	c.series.version = protocolVersion(response.ProtoMajor, response.ProtoMinor)
	if len(c.transport.responseHeaders) > 0 && c.span.IsRecording() {
		scratch := instrument.Borrow()
		capture(scratch, c.transport.responseHeaders, response.Header)
		c.span.SetAttributes(scratch.Attributes...)
		scratch.Return()
	}
	if c.transport.untilHeaders || response.Body == nil || response.Body == http.NoBody || response.StatusCode == http.StatusSwitchingProtocols {
		c.end(nil)
		return
	}
	c.body, response.Body = response.Body, c
	c.touched.Store(int64(time.Since(c.began)))
	c.transport.unread.add(c)
}

// Read ends the call with the body.
func (c *call) Read(p []byte) (int, error) {
	c.reading.Add(1)
	n, err := c.body.Read(p)
	switch {
	case err == nil:
		c.touched.Store(int64(time.Since(c.began)))
	case errors.Is(err, io.EOF):
		c.end(nil)
	default:
		c.end(err)
	}
	c.reading.Add(-1)
	return n, err
}

// Close ends the call.
func (c *call) Close() error {
	err := c.body.Close()
	c.end(nil)
	return err
}

// idle is for how long nobody has read the body.
func (c *call) idle() time.Duration {
	if c.reading.Load() > 0 {
		return 0
	}
	return time.Since(c.began) - time.Duration(c.touched.Load())
}

// abandon ends the call when its body was last read.
func (c *call) abandon() {
	c.endAt(c.began.Add(time.Duration(c.touched.Load())), nil)
}

// end records the request. Only the first call counts.
func (c *call) end(err error) { c.endAt(time.Time{}, err) }

// endAt ends the call at a time, which is now if it is zero.
func (c *call) endAt(ended time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.ended = true
	c.transport.unread.remove(c)
	c.series.errorType = c.errorType(err)
	if c.span.IsRecording() {
		c.describe(err)
	}
	var took time.Duration
	if ended.IsZero() {
		c.span.End()
		took = instrument.Took(c.span, c.began)
	} else {
		c.span.End(trace.WithTimestamp(ended))
		took = ended.Sub(c.began)
	}
	c.transport.duration.Observe(c.series, took, c.began.Add(took), c.span.SpanContext())
}

// errorType is empty for what the caller itself has given up.
func (c *call) errorType(err error) string {
	switch {
	case err != nil && errors.Is(c.caller.Err(), context.Canceled):
		return ""
	case err != nil:
		return neterror.Type(err)
	case c.series.status >= http.StatusBadRequest:
		return strconv.Itoa(c.series.status)
	case c.series.status == 0:
		return neterror.Other // a round tripper that gives neither response nor error
	}
	return ""
}

// describeTarget adds what a sampler may ask for.
func (c *call) describeTarget(scratch *instrument.Scratch, header http.Header) {
	scratch.Add(semconv.HTTPRequestMethod.String(c.series.method))
	scratch.Add(semconv.ServerAddress.String(c.series.address))
	if c.series.port > 0 {
		scratch.Add(semconv.ServerPort.Int(c.series.port))
	}
	capture(scratch, c.transport.requestHeaders, header)
}

// describe completes the span.
func (c *call) describe(err error) {
	scratch, waited := c.scratch, 0
	if c.scratch = nil; scratch == nil {
		scratch = instrument.Borrow()
	} else {
		waited = len(scratch.Attributes)
	}
	defer scratch.Return()
	if c.series.status != 0 {
		scratch.Add(semconv.HTTPResponseStatusCode.Int(c.series.status))
	}
	if c.series.version != "" {
		scratch.Add(semconv.NetworkProtocolVersion.String(c.series.version))
	}
	if c.series.errorType != "" {
		scratch.Add(semconv.ErrorType.String(c.series.errorType))
		message := ""
		if err != nil {
			message = err.Error()
		}
		c.span.SetStatus(codes.Error, message)
	}
	if c.phases != nil {
		c.phases.describe(scratch)
	}
	scratch.Complete(c.span, waited)
}
