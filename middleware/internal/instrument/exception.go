package instrument

import (
	"fmt"
	"runtime/debug"

	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// maxStack bounds the stack that a panic leaves in its span, in bytes.
const maxStack = 16 << 10

// RecordPanic adds what a handler has panicked with to its span, with the
// stack. It is called by the deferred function that recovers, or by what that
// calls, as the stack is gone afterwards.
func RecordPanic(span trace.Span, cause any) {
	stack := debug.Stack()
	span.AddEvent("exception", trace.WithAttributes(
		semconv.ExceptionType.String(fmt.Sprintf("%T", cause)),
		semconv.ExceptionMessage.String(fmt.Sprint(cause)),
		semconv.ExceptionStacktrace.String(string(stack[:min(len(stack), maxStack)])),
	))
}

// RecordError adds an error to a span. Its type is that of the error that all
// others are wrapped around.
func RecordError(span trace.Span, err error) {
	span.AddEvent("exception", trace.WithAttributes(
		semconv.ExceptionType.String(fmt.Sprintf("%T", innermost(err))),
		semconv.ExceptionMessage.String(err.Error()),
	))
}

func innermost(err error) error {
	for {
		wrapper, wraps := err.(interface{ Unwrap() error })
		if !wraps || wrapper.Unwrap() == nil {
			return err
		}
		err = wrapper.Unwrap()
	}
}
