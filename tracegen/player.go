package tracegen

import (
	"encoding/binary"
	"slices"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/tracegen/recording"
)

// tape is a recording made ready to be sent again: each span is encoded, with
// holes for its ids and times. It never changes, and is shared by all workers.
type tape struct {
	traces []recordedTrace
	copies uint64
}

// recordedTrace is a trace on a tape.
type recordedTrace struct {
	id     [16]byte
	groups []recordedGroup
	spans  int
	// end is when its last span ended, in nanoseconds since 1970.
	end uint64
}

// recordedGroup is spans that have a resource and a scope together, which are
// encoded: what stands before the spans in a ResourceSpans, and in a
// ScopeSpans.
type recordedGroup struct {
	resource, scope []byte
	spans           []recordedSpan
}

// recordedSpan is an encoded Span. Holes are where its bytes are written over.
type recordedSpan struct {
	bytes           []byte
	id, parent      uint64
	service, name   string
	ids             []idHole
	times           []timeHole
	traceAt, spanAt int
	parentAt        int // 0 is none
}

// idHole is where a link's ids are, with what they were.
type idHole struct {
	at    int
	trace [16]byte
	span  uint64
}

// timeHole is where a time is, with what it was.
type timeHole struct {
	at   int
	time uint64
}

func newTape(r *recording.Recording, copies int) (*tape, error) {
	t := &tape{copies: uint64(max(copies, 1))}
	for _, recorded := range r.Traces() {
		out := recordedTrace{id: recorded.ID, end: recorded.End(), spans: len(recorded.Spans)}
		for _, s := range recorded.Spans {
			group, err := out.group(s.Resource, s.Scope)
			if err != nil {
				return nil, err
			}
			span, err := newRecordedSpan(s)
			if err != nil {
				return nil, err
			}
			group.spans = append(group.spans, span)
		}
		t.traces = append(t.traces, out)
	}
	return t, nil
}

// group finds the group of a resource and a scope, or begins one.
func (t *recordedTrace) group(resource *resourcepb.Resource, scope *commonpb.InstrumentationScope) (*recordedGroup, error) {
	r, err := proto.Marshal(resource)
	if err != nil {
		return nil, err
	}
	s, err := proto.Marshal(scope)
	if err != nil {
		return nil, err
	}
	r, s = appendBytes(nil, 1, r), appendBytes(nil, 1, s)
	at := slices.IndexFunc(t.groups, func(g recordedGroup) bool { return slices.Equal(g.resource, r) && slices.Equal(g.scope, s) })
	if at < 0 {
		at = len(t.groups)
		t.groups = append(t.groups, recordedGroup{resource: r, scope: s})
	}
	return &t.groups[at], nil
}

// newRecordedSpan encodes a span, what has holes first.
func newRecordedSpan(s recording.Span) (recordedSpan, error) {
	out := recordedSpan{id: s.ID(), parent: s.Parent(), service: s.Service(), name: s.GetName()}
	b := appendBytes(nil, fieldTraceID, s.GetTraceId())
	out.traceAt = len(b) - 16
	b = appendBytes(b, fieldSpanID, s.GetSpanId())
	out.spanAt = len(b) - 8
	if out.parent != 0 {
		b = appendBytes(b, fieldParent, s.GetParentSpanId())
		out.parentAt = len(b) - 8
	}
	b = appendFixed64(b, fieldStart, 0)
	out.times = append(out.times, timeHole{len(b) - 8, s.GetStartTimeUnixNano()})
	b = appendFixed64(b, fieldEnd, 0)
	out.times = append(out.times, timeHole{len(b) - 8, s.GetEndTimeUnixNano()})
	for _, e := range s.GetEvents() {
		rest, err := proto.Marshal(&tracepb.Span_Event{Name: e.GetName(), Attributes: e.GetAttributes(), DroppedAttributesCount: e.GetDroppedAttributesCount()})
		if err != nil {
			return out, err
		}
		b = appendBytes(b, fieldEvents, appendFixed64(rest, 1, 0))
		out.times = append(out.times, timeHole{len(b) - 8, e.GetTimeUnixNano()})
	}
	for _, l := range s.GetLinks() {
		if len(l.GetTraceId()) != 16 || len(l.GetSpanId()) != 8 {
			continue // It links to nothing.
		}
		rest, err := proto.Marshal(&tracepb.Span_Link{TraceState: l.GetTraceState(), Attributes: l.GetAttributes(), Flags: l.GetFlags()})
		if err != nil {
			return out, err
		}
		b = appendBytes(b, fieldLinks, appendBytes(appendBytes(rest, 1, l.GetTraceId()), 2, l.GetSpanId()))
		out.ids = append(out.ids, idHole{len(b) - 26, [16]byte(l.GetTraceId()), binary.BigEndian.Uint64(l.GetSpanId())})
	}
	rest, err := proto.Marshal(&tracepb.Span{
		TraceState: s.GetTraceState(), Name: s.GetName(), Kind: s.GetKind(), Attributes: s.GetAttributes(), Status: s.GetStatus(), Flags: s.GetFlags(),
		DroppedAttributesCount: s.GetDroppedAttributesCount(), DroppedEventsCount: s.GetDroppedEventsCount(), DroppedLinksCount: s.GetDroppedLinksCount(),
	})
	b = append(b, rest...)
	out.bytes = b
	return out, err
}

// renewal makes new ids of old ones. Two that are the same stay so, and two
// that differ, too; so links between recorded traces hold.
type renewal struct{ salt uint64 }

func (r renewal) span(id uint64) uint64 {
	if renewed := mix(id ^ r.salt); renewed != 0 {
		return renewed
	}
	return r.salt | 1
}

func (r renewal) trace(id [16]byte) (renewed [16]byte) {
	binary.BigEndian.PutUint64(renewed[:], mix(binary.BigEndian.Uint64(id[:])^r.salt))
	binary.BigEndian.PutUint64(renewed[8:], mix(binary.BigEndian.Uint64(id[8:])^^r.salt)|1)
	return renewed
}

// at is the trace that comes i-th in a run, with how its ids are renewed: each
// copy has its own.
func (t *tape) at(seed, i uint64) (*recordedTrace, renewal) {
	n := uint64(len(t.traces))
	round, within := i/(n*t.copies), i%(n*t.copies)
	return &t.traces[within/t.copies], renewal{mix(mix(seed) + round*t.copies + within%t.copies)}
}

// player makes requests of a tape; it is used by one worker.
type player struct {
	tape *tape
	buf  []byte
	// spans are the encoded spans of one group: field 2 of a ScopeSpans.
	spans []byte
}

func (p *player) forget() { p.buf = nil }

// encode encodes traces, as many of the order's as have room, shifted so that
// the last span of each ends now. The bytes are valid until the next call.
func (p *player) encode(seed uint64, o order, now time.Time) batch {
	b := batch{}
	p.buf = p.buf[:0]
	for b.traces < o.n && len(p.buf) < maxRequest {
		recorded, ids := p.tape.at(seed, o.first+uint64(b.traces))
		before := len(p.buf)
		shift := uint64(now.UnixNano()) - recorded.end // modulo 2⁶⁴, as is the sum
		full := p.add(recorded, ids, shift, before)
		if full != nil && b.traces > 0 {
			p.buf = p.buf[:before] // It begins the next request.
			break
		}
		b.spans += recorded.spans
		b.traces++
		if full != nil {
			b.rest = full
			break
		}
	}
	b.request = p.buf
	if len(b.rest) > 0 {
		b.request, b.rest = b.rest[0], b.rest[1:]
	}
	return b
}

// add appends a trace to the buffer. When it has no room in one request, all
// requests that it takes are returned instead, in memory of their own; begun is
// how much there was before.
func (p *player) add(t *recordedTrace, ids renewal, shift uint64, begun int) (requests [][]byte) {
	for i := range t.groups {
		g := &t.groups[i]
		p.spans = p.spans[:0]
		for j := range g.spans {
			s := &g.spans[j]
			size := len(s.bytes) + protowire.SizeTag(2) + 5
			if len(p.buf)+len(p.spans)+size+len(g.resource)+len(g.scope)+requestFrame > largestRequest {
				p.close(g)
				requests = append(requests, slices.Clone(p.buf[begun:]))
				p.buf = p.buf[:begun]
			}
			p.spans = protowire.AppendTag(p.spans, 2, protowire.BytesType)
			p.spans = protowire.AppendVarint(p.spans, uint64(len(s.bytes)))
			at := len(p.spans)
			p.spans = append(p.spans, s.bytes...)
			s.fill(p.spans[at:], t.id, ids, shift)
		}
		p.close(g)
	}
	if requests != nil {
		requests = append(requests, slices.Clone(p.buf[begun:]))
	}
	return slices.DeleteFunc(requests, func(r []byte) bool { return len(r) == 0 })
}

// close appends the spans as a ResourceSpans.
func (p *player) close(g *recordedGroup) {
	if len(p.spans) == 0 {
		return
	}
	scope := len(g.scope) + len(p.spans)
	p.buf = protowire.AppendTag(p.buf, 1, protowire.BytesType)
	p.buf = protowire.AppendVarint(p.buf, uint64(len(g.resource)+protowire.SizeTag(2)+protowire.SizeBytes(scope)))
	p.buf = append(p.buf, g.resource...)
	p.buf = protowire.AppendTag(p.buf, 2, protowire.BytesType)
	p.buf = protowire.AppendVarint(p.buf, uint64(scope))
	p.buf = append(append(p.buf, g.scope...), p.spans...)
	p.spans = p.spans[:0]
}

// fill writes new ids and times over the old ones.
func (s *recordedSpan) fill(b []byte, trace [16]byte, ids renewal, shift uint64) {
	renewed := ids.trace(trace)
	copy(b[s.traceAt:], renewed[:])
	binary.BigEndian.PutUint64(b[s.spanAt:], ids.span(s.id))
	if s.parentAt > 0 {
		binary.BigEndian.PutUint64(b[s.parentAt:], ids.span(s.parent))
	}
	for _, h := range s.times {
		binary.LittleEndian.PutUint64(b[h.at:], h.time+shift)
	}
	for _, h := range s.ids {
		linked := ids.trace(h.trace)
		copy(b[h.at:], linked[:])
		binary.BigEndian.PutUint64(b[h.at+18:], ids.span(h.span))
	}
}
