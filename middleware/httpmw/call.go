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

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

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

	body io.ReadCloser
	// reading counts the reads under way; touched is when the last one ended,
	// as time since began.
	reading atomic.Int32
	touched atomic.Int64

	mu        sync.Mutex
	ended     bool
	forgotten *time.Timer

	// attrs is where attributes are put together; OpenTelemetry copies them.
	attrs [4]attribute.KeyValue
}

// answered takes in the head of the response, and observes its body if there
// is one to wait for. The body of a 101 is a connection, and left alone.
func (c *call) answered(response *http.Response) {
	c.series.status = response.StatusCode
	c.series.version = protocolVersion(response.ProtoMajor, response.ProtoMinor)
	if c.transport.untilHeaders || response.Body == nil || response.Body == http.NoBody || response.StatusCode == http.StatusSwitchingProtocols {
		c.end(nil)
		return
	}
	c.body, response.Body = response.Body, c
	c.touched.Store(int64(time.Since(c.began)))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgotten = time.AfterFunc(abandonedAfter, c.abandon)
}

// Read ends the call with the body.
func (c *call) Read(p []byte) (int, error) {
	c.reading.Add(1)
	n, err := c.body.Read(p)
	c.touched.Store(int64(time.Since(c.began)))
	c.reading.Add(-1)
	switch {
	case errors.Is(err, io.EOF):
		c.end(nil)
	case err != nil:
		c.end(err)
	}
	return n, err
}

// Close ends the call.
func (c *call) Close() error {
	err := c.body.Close()
	c.end(nil)
	return err
}

// abandon ends the call if nobody has read the body for long. It runs on the
// timer's goroutine.
func (c *call) abandon() {
	touched := time.Duration(c.touched.Load())
	idle := time.Since(c.began) - touched
	if c.reading.Load() > 0 {
		idle = 0
	}
	if idle >= abandonedAfter {
		c.endAfter(touched, nil, trace.WithTimestamp(c.began.Add(touched)))
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.forgotten.Reset(abandonedAfter - idle)
	}
}

// end records the request. Only the first call counts.
func (c *call) end(err error) { c.endAfter(time.Since(c.began), err) }

func (c *call) endAfter(took time.Duration, err error, options ...trace.SpanEndOption) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.ended = true
	if c.forgotten != nil {
		c.forgotten.Stop()
	}
	c.series.errorType = c.errorType(err)
	c.transport.duration.Observe(c.series, took, c.span.SpanContext())
	if c.span.IsRecording() {
		c.describe(err)
	}
	c.span.End(options...)
}

// errorType is empty for what the caller itself has given up.
func (c *call) errorType(err error) string {
	switch {
	case err != nil && errors.Is(c.caller.Err(), context.Canceled):
		return ""
	case err != nil:
		return errorTypeOf(err)
	case c.series.status >= http.StatusBadRequest:
		return strconv.Itoa(c.series.status)
	case c.series.status == 0:
		return errorOther // a round tripper that gives neither response nor error
	}
	return ""
}

// describe completes the span.
func (c *call) describe(err error) {
	attrs := c.attrs[:0]
	if c.series.status != 0 {
		attrs = append(attrs, semconv.HTTPResponseStatusCode.Int(c.series.status))
	}
	if c.series.version != "" {
		attrs = append(attrs, semconv.NetworkProtocolVersion.String(c.series.version))
	}
	if c.series.errorType != "" {
		attrs = append(attrs, semconv.ErrorType.String(c.series.errorType))
		message := ""
		if err != nil {
			message = err.Error()
		}
		c.span.SetStatus(codes.Error, message)
	}
	c.span.SetAttributes(attrs...)
}
