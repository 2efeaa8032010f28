package instrument

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Scratch is room to put together what a span is given, which OpenTelemetry
// copies. It has one owner between Borrow and Return.
type Scratch struct {
	Attributes []attribute.KeyValue

	room    [scratchSize]attribute.KeyValue
	options []trace.SpanStartOption
	// first are options with so many of room's attributes, each made once: they
	// tell whatever is in the room when they are used.
	first [scratchSize + 1]trace.SpanStartOption
}

const scratchSize = 16

var scratches = sync.Pool{New: func() any { return &Scratch{options: make([]trace.SpanStartOption, 0, 4)} }}

// Borrow gives room that is empty.
func Borrow() *Scratch {
	s := scratches.Get().(*Scratch)
	s.Attributes = s.room[:0] // which is not where they lie when they were many
	return s
}

// Return gives it back; nobody may hold on to what is in it.
func (s *Scratch) Return() {
	s.Clear()
	clear(s.options)
	scratches.Put(s)
}

// Clear empties it.
func (s *Scratch) Clear() {
	clear(s.room[:min(len(s.Attributes), scratchSize)])
	s.Attributes = s.room[:0]
}

// Add adds attributes.
func (s *Scratch) Add(attributes ...attribute.KeyValue) {
	s.Attributes = append(s.Attributes, attributes...)
}

// SpanOptions are the options that start a span of a kind with the attributes.
func (s *Scratch) SpanOptions(kind trace.SpanStartOption) []trace.SpanStartOption {
	s.options = append(s.options[:0], kind, s.withAttributes())
	return s.options
}

func (s *Scratch) withAttributes() trace.SpanStartOption {
	n := len(s.Attributes)
	if n > scratchSize {
		return trace.WithAttributes(s.Attributes...)
	}
	if s.first[n] == nil {
		s.first[n] = trace.WithAttributes(s.room[:n]...)
	}
	return s.first[n]
}
