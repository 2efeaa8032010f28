package natsmw

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// operation is one message being published or processed.
type operation struct {
	caller  context.Context // as the caller gave it
	span    trace.Span
	started time.Time
	series  series
	metric  *instrument.Duration[series]
}

// run does the work and records how it ended, by return or by panic.
func (o *operation) run(work func() error) (err error) {
	returned := false
	defer func() {
		if !returned {
			o.panicked(recover())
		}
	}()
	err = work()
	returned = true
	o.end(err)
	return err
}

// panicked records a panic and lets it go on. Without a cause it was
// runtime.Goexit, which goes on by itself.
func (o *operation) panicked(cause any) {
	if cause == nil {
		o.fail("goexit", "the goroutine has ended")
		o.measure()
		return
	}
	message := fmt.Sprint("panic: ", cause)
	if o.span.IsRecording() {
		o.span.AddEvent("exception", trace.WithAttributes(
			semconv.ExceptionType.String(fmt.Sprintf("%T", cause)),
			semconv.ExceptionMessage.String(message),
			semconv.ExceptionStacktrace.String(string(debug.Stack())),
		))
	}
	o.fail("panic", message)
	o.measure()
	panic(cause)
}

// end records an error, unless the caller's own context has ended the work
// (semantic-conventions#3494).
func (o *operation) end(err error) {
	abandoned := errors.Is(err, context.Canceled) && errors.Is(o.caller.Err(), context.Canceled)
	if err != nil && !abandoned {
		o.fail(errorType(err), err.Error())
	}
	o.measure()
}

func (o *operation) fail(errorType, message string) {
	o.series.errorType = errorType
	o.span.SetAttributes(semconv.ErrorType.String(errorType))
	o.span.SetStatus(codes.Error, message)
}

func (o *operation) measure() {
	o.span.End()
	took := instrument.Took(o.span, o.started)
	o.metric.Observe(o.series, took, o.started.Add(took), o.span.SpanContext())
}

// errorType classifies an error into few words, because it becomes a label.
func errorType(err error) string {
	var own interface{ ErrorType() string }
	var api *jetstream.APIError
	switch {
	case errors.As(err, &own):
		return own.ErrorType()
	case errors.As(err, &api):
		return "jetstream_" + strconv.Itoa(int(api.ErrorCode))
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		return "no_responders"
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrDisconnected),
		errors.Is(err, nats.ErrConnectionReconnecting), errors.Is(err, nats.ErrReconnectBufExceeded):
		return "disconnected"
	default:
		return "_OTHER"
	}
}
