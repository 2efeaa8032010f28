package tracegen

import (
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxRequest is when a request is full, in bytes: receivers of OTLP over gRPC
// take 4 MiB, unless they are told otherwise.
const maxRequest = 3 << 20

// encoder makes requests; it is used by one worker and uses its memory again.
type encoder struct {
	program *program
	trace   *trace
	// spans are the encoded spans of each resource: field 2 of ScopeSpans.
	spans   [][]byte
	used    []int // resources that have spans in this request
	pending int   // bytes of spans in this request
	buf     []byte
	scratch []byte
}

func newEncoder(p *program) *encoder {
	return &encoder{program: p, trace: newTrace(), spans: make([][]byte, len(p.resources))}
}

// forget gives up the memory of the last request, which somebody else may
// still read.
func (e *encoder) forget() { e.buf = nil }

// batch is a request with what is in it.
type batch struct {
	request []byte
	traces  int
	spans   int
}

// encode encodes traces, as many of the order's as have room, so that the last
// span of each ends now. The bytes are valid until the next call. Trace i is
// the same for the same seed, but for its times.
//
//	ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1 }
//	ResourceSpans { Resource resource = 1;  repeated ScopeSpans scope_spans = 2 }
//	ScopeSpans { InstrumentationScope scope = 1;  repeated Span spans = 2 }
func (e *encoder) encode(seed uint64, o order, now time.Time) batch {
	b := batch{}
	e.pending = 0
	for b.traces < o.n && e.pending < maxRequest {
		b.spans += e.add(seed, o.first+uint64(b.traces), now)
		b.traces++
	}
	e.buf = e.buf[:0]
	slices.Sort(e.used)
	for _, i := range e.used {
		head, spans := e.program.resources[i], e.spans[i]
		scope := len(scopeHead) + len(spans)
		size := len(head) + protowire.SizeTag(2) + protowire.SizeBytes(scope)
		e.buf = protowire.AppendTag(e.buf, 1, protowire.BytesType)
		e.buf = protowire.AppendVarint(e.buf, uint64(size))
		e.buf = append(e.buf, head...)
		e.buf = protowire.AppendTag(e.buf, 2, protowire.BytesType)
		e.buf = protowire.AppendVarint(e.buf, uint64(scope))
		e.buf = append(append(e.buf, scopeHead...), spans...)
		e.spans[i] = spans[:0]
	}
	e.used = e.used[:0]
	b.request = e.buf
	return b
}

var scopeHead = appendBytes(nil, 1, appendBytes(nil, 1, []byte("github.com/waybill-dev/waybill/tracegen")))

// add encodes trace i and counts its spans.
func (e *encoder) add(seed, i uint64, now time.Time) int {
	t := e.trace
	t.make(e.program, seed, i)
	t.epoch = uint64(now.Add(-t.end).UnixNano())
	for i := range t.spans {
		s := &t.spans[i]
		r := e.resource(s.template.service)
		before := len(e.spans[r])
		if before == 0 {
			e.used = append(e.used, r)
		}
		e.spans[r] = s.template.append(e.spans[r], t, s, &e.scratch)
		e.pending += len(e.spans[r]) - before
	}
	return len(t.spans)
}

// resource is the instance of a service that the trace meets.
func (e *encoder) resource(service int) int {
	first, n := e.program.first[service], e.program.count[service]
	if n == 1 {
		return first
	}
	return first + int(mix(e.trace.random+uint64(service))%uint64(n))
}
