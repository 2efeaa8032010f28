package tracegen

import (
	"encoding/binary"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/waybill-dev/waybill/tracegen/topology"
)

// The fields of a Span (opentelemetry-proto, trace/v1/trace.proto).
const (
	fieldTraceID    = 1
	fieldSpanID     = 2
	fieldParent     = 4
	fieldName       = 5
	fieldKind       = 6
	fieldStart      = 7
	fieldEnd        = 8
	fieldAttributes = 9
	fieldEvents     = 11
	fieldLinks      = 13
	fieldStatus     = 15
	fieldFlags      = 16
)

// sampled is W3C's trace flag.
const sampled = 1

// template is an encoded span with holes for what differs from trace to trace.
// All holes lie at places that are known, so that a span is made by a copy and
// a few writes. A template never changes.
//
//	head: trace id, span id, times, parent unless it is the root, name, kind, constant attributes
//	here the variables are written
//	tail: link, status, flags
type template struct {
	service    int
	name       string
	root       bool
	linked     bool
	near       bool // it is a caller's span around the operation that it calls
	failed     bool // its status is Error
	head, tail []byte
	variables  []variable
	events     []eventTemplate
	endLogs    []*logTemplate // what is written when it ends
}

// eventTemplate is an encoded event whose hole, the time, lies at its end; or a
// log record that comes in its place, and is no part of the span.
type eventTemplate struct {
	after int // steps that are over by then
	bytes []byte
	log   *logTemplate
}

// Where the holes are, from the beginning of head, tail or event.
const (
	holeTraceID   = 2
	holeSpanID    = 20
	holeStart     = 29
	holeEnd       = 38
	holeParent    = 48
	holeLinkTrace = 4
	holeLinkSpan  = 22
)

// look is what a span looks like.
type look struct {
	service      int
	name         string
	kind         topology.Kind
	attributes   []topology.Attribute
	events       []topology.Event
	logs         []topology.Log
	endLogs      []topology.Log
	failed       bool
	message      string
	root, linked bool
	near         bool
}

func newTemplate(l look) *template {
	t := &template{service: l.service, name: l.name, root: l.root, linked: l.linked, near: l.near, failed: l.failed}
	h := appendBytes(nil, fieldTraceID, make([]byte, 16))
	h = appendBytes(h, fieldSpanID, make([]byte, 8))
	h = appendFixed64(appendFixed64(h, fieldStart, 0), fieldEnd, 0)
	if !l.root {
		h = appendBytes(h, fieldParent, make([]byte, 8))
	}
	h = appendVarint(appendBytes(h, fieldName, []byte(l.name)), fieldKind, uint64(l.kind))
	for _, a := range l.attributes {
		if a.Value.Pattern == topology.PatternNone {
			h = appendAttribute(h, fieldAttributes, a.Key, a.Value.Constant)
		} else {
			t.variables = append(t.variables, newVariable(a, fieldAttributes))
		}
	}
	t.head = h
	for _, e := range l.events {
		t.events = append(t.events, newEventTemplate(e))
	}
	for _, l := range l.logs {
		t.events = append(t.events, eventTemplate{after: l.After, log: newLogTemplate(l)})
	}
	for _, l := range l.endLogs {
		t.endLogs = append(t.endLogs, newLogTemplate(l))
	}
	slices.SortStableFunc(t.events, func(a, b eventTemplate) int { return a.after - b.after })
	if l.linked {
		t.tail = appendBytes(t.tail, fieldLinks, appendBytes(appendBytes(nil, 1, make([]byte, 16)), 2, make([]byte, 8)))
	}
	if l.failed {
		var status []byte
		if l.message != "" {
			status = appendBytes(status, 2, []byte(l.message))
		}
		t.tail = appendBytes(t.tail, fieldStatus, appendVarint(status, 3, 2))
	}
	t.tail = protowire.AppendTag(t.tail, fieldFlags, protowire.Fixed32Type)
	t.tail = protowire.AppendFixed32(t.tail, sampled)
	return t
}

// newEventTemplate encodes an event with its hole at the end:
//
//	fixed64 time_unix_nano = 1;  string name = 2;  repeated KeyValue attributes = 3;
func newEventTemplate(e topology.Event) eventTemplate {
	body := appendBytes(nil, 2, []byte(e.Name))
	for _, a := range e.Attributes {
		body = appendAttribute(body, 3, a.Key, a.Value.Constant)
	}
	return eventTemplate{after: e.After, bytes: appendBytes(nil, fieldEvents, appendFixed64(body, 1, 0))}
}

// append writes the span as field 2 of a ScopeSpans. Scratch is memory that is
// used again.
func (t *template) append(dst []byte, tr *trace, s *span, scratch *[]byte) []byte {
	variables := (*scratch)[:0]
	for i := range t.variables {
		variables = t.variables[i].append(variables, tr.random, s.id)
	}
	events := tr.events[s.events : s.events+s.reached]
	for i, at := range events {
		if t.events[i].log != nil {
			continue
		}
		variables = append(variables, t.events[i].bytes...)
		binary.LittleEndian.PutUint64(variables[len(variables)-8:], tr.epoch+uint64(at))
	}
	*scratch = variables

	dst = protowire.AppendTag(dst, 2, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(len(t.head)+len(variables)+len(t.tail)))
	dst = slices.Grow(dst, len(t.head)+len(variables)+len(t.tail))
	at := len(dst)
	dst = append(dst, t.head...)
	head := dst[at:]
	copy(head[holeTraceID:], tr.id[:])
	binary.BigEndian.PutUint64(head[holeSpanID:], s.id)
	binary.LittleEndian.PutUint64(head[holeStart:], tr.epoch+uint64(s.start))
	binary.LittleEndian.PutUint64(head[holeEnd:], tr.epoch+uint64(s.end))
	var parent uint64
	if !t.root {
		parent = tr.spans[s.parent].id
		binary.BigEndian.PutUint64(head[holeParent:], parent)
	}
	dst = append(dst, variables...)
	at = len(dst)
	dst = append(dst, t.tail...)
	if t.linked {
		tail := dst[at:]
		copy(tail[holeLinkTrace:], tr.id[:])
		binary.BigEndian.PutUint64(tail[holeLinkSpan:], parent)
	}
	return dst
}
