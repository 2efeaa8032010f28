// Package recording reads traces that were recorded elsewhere: OTLP in files,
// Jaeger's JSON, and what Jaeger's query API answers.
package recording

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Recording is traces in the order in which they ended. It is not safe for
// concurrent use while it grows.
type Recording struct {
	// Limit is how many traces are kept; 0 is no limit. LeftOut counts the
	// spans of those for which there was no room, and of those without ids.
	Limit   int
	LeftOut int

	traces map[[16]byte]*Trace
	order  []*Trace
	sorted bool
}

// Trace is the spans of one trace.
type Trace struct {
	ID    [16]byte
	Spans []Span
	seen  map[uint64]bool
}

// Span is a span with the program that it comes from.
type Span struct {
	*tracepb.Span
	Resource *resourcepb.Resource
	Scope    *commonpb.InstrumentationScope
}

// Service is the name of the span's program.
func (s Span) Service() string {
	for _, a := range s.Resource.GetAttributes() {
		if a.GetKey() == "service.name" && a.GetValue().GetStringValue() != "" {
			return a.GetValue().GetStringValue()
		}
	}
	return "unknown_service"
}

// ID is the span's, as it reads in hexadecimal.
func (s Span) ID() uint64 { return id(s.GetSpanId()) }

// Parent is that of the span's parent; 0 is none.
func (s Span) Parent() uint64 { return id(s.GetParentSpanId()) }

func id(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// End is when the trace's last span ended, in nanoseconds since 1970.
func (t *Trace) End() uint64 {
	end := uint64(0)
	for _, s := range t.Spans {
		end = max(end, s.GetEndTimeUnixNano())
	}
	return end
}

// New is an empty recording of so many traces at most.
func New(limit int) *Recording {
	return &Recording{Limit: limit, traces: map[[16]byte]*Trace{}}
}

// Add adds an encoded ExportTraceServiceRequest. A span that is there already
// is not added again: exporters send some twice.
func (r *Recording) Add(request []byte) error {
	var data tracepb.TracesData // which has the encoding of a request
	if err := proto.Unmarshal(request, &data); err != nil {
		return fmt.Errorf("decode traces: %w", err)
	}
	for _, rs := range data.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				r.add(Span{s, rs.GetResource(), ss.GetScope()})
			}
		}
	}
	return nil
}

func (r *Recording) add(s Span) {
	if len(s.GetTraceId()) != 16 || s.ID() == 0 {
		r.LeftOut++
		return
	}
	key := [16]byte(s.GetTraceId())
	t := r.traces[key]
	if t == nil {
		if r.Limit > 0 && len(r.traces) >= r.Limit {
			r.LeftOut++
			return
		}
		t = &Trace{ID: key, seen: map[uint64]bool{}}
		r.traces[key] = t
		r.order = append(r.order, t)
	}
	if t.seen[s.ID()] {
		return
	}
	t.seen[s.ID()] = true
	s.EndTimeUnixNano = max(s.EndTimeUnixNano, s.StartTimeUnixNano)
	t.Spans = append(t.Spans, s)
	r.sorted = false
}

// Traces are all that was added, in the order in which they ended. Spans are in
// the order in which they began.
func (r *Recording) Traces() []*Trace {
	if !r.sorted {
		for _, t := range r.order {
			slices.SortStableFunc(t.Spans, func(a, b Span) int { return cmp.Compare(a.GetStartTimeUnixNano(), b.GetStartTimeUnixNano()) })
		}
		slices.SortStableFunc(r.order, func(a, b *Trace) int { return cmp.Compare(a.End(), b.End()) })
		r.sorted = true
	}
	return r.order
}

// Encode is the recording as one ExportTraceServiceRequest.
func (r *Recording) Encode() ([]byte, error) {
	var data tracepb.TracesData
	for _, t := range r.Traces() {
		var last *tracepb.ResourceSpans
		for _, s := range t.Spans {
			if last == nil || last.Resource != s.Resource || last.ScopeSpans[0].Scope != s.Scope {
				last = &tracepb.ResourceSpans{Resource: s.Resource, ScopeSpans: []*tracepb.ScopeSpans{{Scope: s.Scope}}}
				data.ResourceSpans = append(data.ResourceSpans, last)
			}
			last.ScopeSpans[0].Spans = append(last.ScopeSpans[0].Spans, s.Span)
		}
	}
	return proto.Marshal(&data)
}

var errNothing = errors.New("there are no traces in it")

// Adopt adds a trace of another recording, whose spans both then have.
func (r *Recording) Adopt(t *Trace) {
	for _, s := range t.Spans {
		r.add(s)
	}
}
