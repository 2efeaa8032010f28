package tracegen

import (
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Receivers of OTLP over gRPC take 4 MiB, unless they are told otherwise. A
// request that has maxRequest bytes gets no further trace, and none has more
// than largestRequest, but for a span that is larger itself.
const (
	maxRequest     = 3 << 20
	largestRequest = 4<<20 - 64<<10
)

// encoder makes requests; it is used by one worker and uses its memory again.
type encoder struct {
	program *program
	trace   *trace
	// spans are the encoded spans of each resource: field 2 of ScopeSpans.
	spans   [][]byte
	used    []int // resources that have spans in this request
	marked  []int // how much of each there was
	pending int   // bytes of this request
	buf     []byte
	scratch []byte
}

func newEncoder(p *program) *encoder {
	return &encoder{program: p, trace: newTrace(), spans: make([][]byte, len(p.resources))}
}

func (e *encoder) forget() { e.buf = nil }

// batch is a request with what is in it. A trace that is too large for one
// request has several: the rest.
type batch struct {
	request []byte
	rest    [][]byte
	traces  int
	spans   int
}

// size is of all requests, in bytes.
func (b batch) size() int {
	n := len(b.request)
	for _, r := range b.rest {
		n += len(r)
	}
	return n
}

// encode encodes traces, as many of the order's as have room, so that the last
// span of each ends now. The bytes are valid until the next call. Trace i is
// the same for the same seed, but for its times.
func (e *encoder) encode(seed uint64, o order, now time.Time) batch {
	b := batch{}
	e.pending = 0
	for b.traces < o.n && e.pending < maxRequest {
		e.trace.make(e.program, seed, o.first+uint64(b.traces))
		e.trace.epoch = uint64(now.Add(-e.trace.end).UnixNano())
		e.mark()
		taken := e.add(0)
		if taken < len(e.trace.spans) {
			if b.traces > 0 {
				e.rewind()
				break
			}
			return e.split(taken)
		}
		b.spans += taken
		b.traces++
	}
	e.buf = e.flush(e.buf[:0])
	b.request = e.buf
	return b
}

// split makes requests of a trace of which only some spans have room in one.
func (e *encoder) split(taken int) batch {
	b := batch{request: e.flush(nil), traces: 1, spans: len(e.trace.spans)}
	for taken < len(e.trace.spans) {
		taken += e.add(taken)
		b.rest = append(b.rest, e.flush(nil))
	}
	return b
}

// flush appends a request of the spans that are there, and forgets them.
//
//	ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1 }
//	ResourceSpans { Resource resource = 1;  repeated ScopeSpans scope_spans = 2 }
//	ScopeSpans { InstrumentationScope scope = 1;  repeated Span spans = 2 }
func (e *encoder) flush(dst []byte) []byte {
	slices.Sort(e.used)
	for _, i := range e.used {
		head, spans := e.program.resources[i], e.spans[i]
		scope := len(scopeHead) + len(spans)
		size := len(head) + protowire.SizeTag(2) + protowire.SizeBytes(scope)
		dst = protowire.AppendTag(dst, 1, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(size))
		dst = append(dst, head...)
		dst = protowire.AppendTag(dst, 2, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(scope))
		dst = append(append(dst, scopeHead...), spans...)
		e.spans[i] = spans[:0]
	}
	e.used, e.pending = e.used[:0], 0
	return dst
}

const scopeName = "github.com/waybill-dev/waybill/tracegen"

var scopeHead = appendBytes(nil, 1, appendBytes(nil, 1, []byte(scopeName)))

// mark writes down how much there is, for rewind.
func (e *encoder) mark() {
	e.marked = e.marked[:0]
	for _, r := range e.used {
		e.marked = append(e.marked, len(e.spans[r]))
	}
}

// rewind takes out what has come since mark.
func (e *encoder) rewind() {
	for i, r := range e.used {
		kept := 0
		if i < len(e.marked) {
			kept = e.marked[i]
		}
		e.spans[r] = e.spans[r][:kept]
	}
	e.used = e.used[:len(e.marked)]
}

// add encodes the trace's spans from one on, as many as have room, but at least
// one, and says how many.
func (e *encoder) add(from int) int {
	t := e.trace
	for i := from; i < len(t.spans); i++ {
		s := &t.spans[i]
		r := e.resource(s.template.service)
		before := len(e.spans[r])
		if before == 0 {
			e.used = append(e.used, r)
			e.pending += len(e.program.resources[r]) + len(scopeHead) + requestFrame
		}
		e.spans[r] = s.template.append(e.spans[r], t, s, &e.scratch)
		e.pending += len(e.spans[r]) - before
		if e.pending <= largestRequest || i == from {
			continue
		}
		e.pending -= len(e.spans[r]) - before
		e.spans[r] = e.spans[r][:before]
		if before == 0 {
			e.used = e.used[:len(e.used)-1]
		}
		return i - from
	}
	return len(t.spans) - from
}

// requestFrame is what the tags and lengths around a resource's spans take, at
// most, in bytes.
const requestFrame = 2 * (1 + 5)

// resource is the instance of a service that the trace meets.
func (e *encoder) resource(service int) int {
	first, n := e.program.first[service], e.program.count[service]
	if n == 1 {
		return first
	}
	return first + int(mix(e.trace.random+uint64(service))%uint64(n))
}
