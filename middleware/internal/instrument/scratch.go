package instrument

import (
	"slices"
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

// Return gives it back; nobody may hold on to what is in it. The room is not
// cleared: it keeps a few texts of one request, until it is borrowed again or
// the garbage collector empties the pool.
func (s *Scratch) Return() {
	s.Attributes = nil
	clear(s.options)
	scratches.Put(s)
}

// Clear empties it.
func (s *Scratch) Clear() { s.Attributes = s.room[:0] }

// Add adds an attribute.
func (s *Scratch) Add(attribute attribute.KeyValue) {
	s.Attributes = append(s.Attributes, attribute)
}

// SpanOptions are the options that start a span of a kind with the attributes.
func (s *Scratch) SpanOptions(kind trace.SpanStartOption) []trace.SpanStartOption {
	s.options = append(s.options[:0], kind)
	if len(s.Attributes) > 0 {
		s.options = append(s.options, s.withAttributes())
	}
	return s.options
}

// teller is a span that tells its attributes, as the SDK's do.
type teller interface{ Attributes() []attribute.KeyValue }

// Waits says whether attributes of a span that has started may wait for its
// end, and be given to it all at once: its list is then made once, in its size,
// instead of growing with each piece. For Complete the span has to tell what it
// has been given meanwhile.
func Waits(span trace.Span) bool {
	_, tells := span.(teller)
	return tells
}

// Complete gives the attributes to a span that is about to end. Of the first,
// known when it started, those are left out that somebody has set since: the
// service's own code may know better, or have hidden a secret.
func (s *Scratch) Complete(span trace.Span, first int) {
	if first > 0 {
		if set := span.(teller).Attributes(); len(set) > 0 {
			s.leaveOut(set, first)
		}
	}
	span.SetAttributes(s.Attributes...)
}

func (s *Scratch) leaveOut(set []attribute.KeyValue, first int) {
	kept := s.Attributes[:0]
	for i, mine := range s.Attributes {
		same := func(theirs attribute.KeyValue) bool { return theirs.Key == mine.Key }
		if i >= first || !slices.ContainsFunc(set, same) {
			kept = append(kept, mine)
		}
	}
	s.Attributes = kept
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
