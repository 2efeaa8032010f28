package instrument

import (
	"time"

	"go.opentelemetry.io/otel/trace"
)

// timed is a span that tells its times, as the SDK's do.
type timed interface {
	StartTime() time.Time
	EndTime() time.Time
}

// Began is when a span has started, or now if it does not tell. Reading the
// clock costs more than asking, and time.Now reads two.
func Began(span trace.Span) time.Time {
	if s, tells := span.(timed); tells {
		return s.StartTime()
	}
	return began.Add(time.Since(began))
}

// Took is how long it took since began until a span has ended, or until now if
// it does not tell.
func Took(span trace.Span, began time.Time) time.Duration {
	if s, tells := span.(timed); tells {
		if ended := s.EndTime(); !ended.IsZero() {
			return ended.Sub(began)
		}
	}
	return time.Since(began)
}
