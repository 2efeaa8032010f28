// Package trace is one trace as people look at it: read out of the journal,
// without duplicates, in order, as a tree.
package trace

import (
	"cmp"
	"slices"
	"time"

	"github.com/waybill-dev/waybill/viewer/index"
)

// Trace is all that the journal holds of one trace.
type Trace struct {
	ID index.TraceID
	// Spans are sorted by start; no id occurs twice.
	Spans []*Span
	// Logs are sorted by time.
	Logs []Log
	// Gone counts the journal's records that held a part of the trace and
	// have been deleted since.
	Gone int
	// Cut counts the spans and logs left out because there are too many.
	Cut int
}

// Span is one span, with everything that was sent about it.
type Span struct {
	ID, Parent index.SpanID
	Name       string
	State      string
	Kind       index.Kind
	Start, End time.Time
	Attributes []Attribute
	Events     []Event
	Links      []Link
	Status     Status
	Message    string
	Resource   *Resource
	Scope      *Scope
	// DroppedAttributes, DroppedEvents and DroppedLinks count what the
	// service itself left out.
	DroppedAttributes, DroppedEvents, DroppedLinks uint32
}

// Duration is never negative.
func (s *Span) Duration() time.Duration { return max(s.End.Sub(s.Start), 0) }

// Failed says that the span's status is Error.
func (s *Span) Failed() bool { return s.Status == Error }

// Status is a span's status, with OTLP's numbers.
type Status int32

// The statuses.
const (
	Unset Status = iota
	OK
	Error
)

// String is the status as it is shown.
func (s Status) String() string {
	switch s {
	case OK:
		return "OK"
	case Error:
		return "Error"
	}
	return "Unset"
}

// Resource is what sent spans or logs.
type Resource struct {
	Service    string
	Attributes []Attribute
}

// Scope is the instrumentation that made a span.
type Scope struct {
	Name, Version string
	Attributes    []Attribute
}

// Event is something that happened during a span.
type Event struct {
	Time       time.Time
	Name       string
	Attributes []Attribute
}

// Link points at a span, mostly of another trace.
type Link struct {
	Trace      index.TraceID
	Span       index.SpanID
	Attributes []Attribute
}

// Log is one log record that carried the trace's id.
type Log struct {
	Time         time.Time
	Severity     int32
	SeverityText string
	Body         string
	Attributes   []Attribute
	Span         index.SpanID
	Resource     *Resource
}

// Level is the severity in a word: its text, or what OTLP's number stands for.
func (l Log) Level() string {
	if l.SeverityText != "" {
		return l.SeverityText
	}
	if l.Severity < 1 || l.Severity > 24 {
		return ""
	}
	return [...]string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}[(l.Severity-1)/4]
}

// Bounds is from the earliest start to the latest end.
func (t *Trace) Bounds() (start, end time.Time) {
	for i, s := range t.Spans {
		if i == 0 || s.Start.Before(start) {
			start = s.Start
		}
		if i == 0 || s.End.After(end) {
			end = s.End
		}
		if s.Start.After(end) {
			end = s.Start
		}
	}
	return start, end
}

// Span finds a span by id; nil when there is none.
func (t *Trace) Span(id index.SpanID) *Span {
	for _, s := range t.Spans {
		if s.ID == id {
			return s
		}
	}
	return nil
}

// tidy drops what was delivered twice and puts the rest in order.
func (t *Trace) tidy() {
	seen := make(map[index.SpanID]bool, len(t.Spans))
	t.Spans = slices.DeleteFunc(t.Spans, func(s *Span) bool {
		twice := seen[s.ID]
		seen[s.ID] = true
		return twice
	})
	slices.SortStableFunc(t.Spans, func(a, b *Span) int {
		return cmp.Or(a.Start.Compare(b.Start), b.End.Compare(a.End))
	})
	slices.SortStableFunc(t.Logs, func(a, b Log) int { return a.Time.Compare(b.Time) })
}
