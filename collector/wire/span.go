package wire

import (
	"encoding/binary"
	"iter"

	"google.golang.org/protobuf/encoding/protowire"
)

// SpanKind is opentelemetry.proto.trace.v1.Span.SpanKind.
type SpanKind int32

// The kinds of a span.
const (
	KindUnspecified SpanKind = iota
	KindInternal
	KindServer
	KindClient
	KindProducer
	KindConsumer
)

// StatusCode is opentelemetry.proto.trace.v1.Status.StatusCode.
type StatusCode int32

// The codes of a span's status.
const (
	StatusUnset StatusCode = iota
	StatusOK
	StatusError
)

// TraceID is zero where the sender gave none, or one of a wrong length.
type TraceID [16]byte

// SpanID is zero where the sender gave none, or one of a wrong length.
type SpanID [8]byte

// Span is a view of one span.
type Span struct {
	// Raw is the encoded opentelemetry.proto.trace.v1.Span.
	Raw []byte

	TraceID  TraceID
	SpanID   SpanID
	ParentID SpanID
	// Start and End are nanoseconds since 1970, as the sender's clock saw it.
	Start, End uint64
	// TraceState is the W3C tracestate header.
	TraceState []byte
	// Flags has the W3C trace flags in its lowest eight bits.
	Flags         uint32
	Name          []byte
	Kind          SpanKind
	StatusCode    StatusCode
	StatusMessage []byte
	Attributes    Attributes

	// What the sender left out because of its limits.
	DroppedAttributes, DroppedEvents, DroppedLinks uint32

	events, links []byte
}

// HasIDs says whether trace and span id are valid: of the right length, and
// not zero.
func (sp *Span) HasIDs() bool { return sp.TraceID != TraceID{} && sp.SpanID != SpanID{} }

// parse reads a Span:
//
//	bytes trace_id = 1;  bytes span_id = 2;  string trace_state = 3;  bytes parent_span_id = 4;
//	string name = 5;  SpanKind kind = 6;  fixed64 start_time_unix_nano = 7;  fixed64 end_time_unix_nano = 8;
//	repeated KeyValue attributes = 9;  uint32 dropped_attributes_count = 10;  repeated Event events = 11;
//	uint32 dropped_events_count = 12;  repeated Link links = 13;  uint32 dropped_links_count = 14;
//	Status status = 15;  fixed32 flags = 16;
func (sp *Span) parse(raw []byte) bool {
	*sp = Span{Raw: raw}
	var attributes, events, links extent
	var status []byte
	at := 0
	if len(raw) >= idsSize && raw[0] == traceIDTag && raw[1] == 16 && raw[18] == spanIDTag && raw[19] == 8 {
		sp.TraceID, sp.SpanID, at = TraceID(raw[2:18]), SpanID(raw[20:28]), idsSize // As nearly all begin.
	}
	for at < len(raw) {
		if raw[at] == attributeTag { // Most of a span is attributes, one after the other.
			if n := run(raw[at:], attributeTag); n > 0 {
				attributes.add(at, at+n)
				at += n
				continue
			}
		}
		tag, number, data, size := first(raw[at:])
		switch tag {
		case traceIDTag:
			sp.TraceID = traceID(data)
		case spanIDTag:
			sp.SpanID = spanID(data)
		case traceStateTag:
			sp.TraceState = data
		case parentIDTag:
			sp.ParentID = spanID(data)
		case nameTag:
			sp.Name = data
		case kindTag:
			sp.Kind = SpanKind(number)
		case startTag:
			sp.Start = number
			if next := raw[at+size:]; len(next) >= 9 && next[0] == endTag { // As nearly always.
				sp.End = binary.LittleEndian.Uint64(next[1:])
				size += 9
			}
		case endTag:
			sp.End = number
		case attributeTag:
			attributes.add(at, at+size)
		case eventTag:
			events.add(at, at+size)
		case linkTag:
			links.add(at, at+size)
		case statusTag:
			status = merge(status, data)
		case flagsTag:
			sp.Flags = uint32(number)
		case droppedAttributesTag:
			sp.DroppedAttributes = uint32(number)
		case droppedEventsTag:
			sp.DroppedEvents = uint32(number)
		case droppedLinksTag:
			sp.DroppedLinks = uint32(number)
		}
		if size == 0 {
			return false
		}
		at += size
	}
	sp.Attributes = Attributes{raw: attributes.of(raw), num: 9}
	sp.events, sp.links = events.of(raw), links.of(raw)
	return len(status) == 0 || sp.parseStatus(status)
}

// idsSize is how long the two ids of a span are, with their tags and lengths.
const idsSize = 28

// The tags of a Span's fields.
const (
	traceIDTag           = 1<<3 | bytesType
	spanIDTag            = 2<<3 | bytesType
	traceStateTag        = 3<<3 | bytesType
	parentIDTag          = 4<<3 | bytesType
	nameTag              = 5<<3 | bytesType
	kindTag              = 6<<3 | varintType
	startTag             = 7<<3 | fixed64Type
	endTag               = 8<<3 | fixed64Type
	attributeTag         = 9<<3 | bytesType
	droppedAttributesTag = 10<<3 | varintType
	eventTag             = 11<<3 | bytesType
	droppedEventsTag     = 12<<3 | varintType
	linkTag              = 13<<3 | bytesType
	droppedLinksTag      = 14<<3 | varintType
	statusTag            = 15<<3 | bytesType
	flagsTag             = 16<<3 | fixed32Type
)

// parseStatus reads a Status:
//
//	string message = 2;  StatusCode code = 3;
func (sp *Span) parseStatus(raw []byte) bool {
	s := scanner{buf: raw}
	for s.next() {
		switch {
		case s.is(2):
			sp.StatusMessage = s.data
		case s.num == 3 && s.typ == protowire.VarintType:
			sp.StatusCode = StatusCode(s.value)
		}
	}
	return !s.broken
}

// Event is a view of something that happened during a span.
type Event struct {
	// Time is in nanoseconds since 1970.
	Time              uint64
	Name              []byte
	Attributes        Attributes
	DroppedAttributes uint32
}

// Events yields the span's events in the order in which they were sent.
func (sp *Span) Events() iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for s := (scanner{buf: sp.events}); s.next(); {
			if s.is(11) && !yield(parseEvent(s.data)) {
				return
			}
		}
	}
}

// parseEvent reads an Event:
//
//	fixed64 time_unix_nano = 1;  string name = 2;  repeated KeyValue attributes = 3;
//	uint32 dropped_attributes_count = 4;
func parseEvent(raw []byte) Event {
	e := Event{Attributes: Attributes{raw: raw, num: 3}}
	for s := (scanner{buf: raw}); s.next(); {
		switch {
		case s.num == 1 && s.typ == protowire.Fixed64Type:
			e.Time = s.value
		case s.is(2):
			e.Name = s.data
		case s.num == 4 && s.typ == protowire.VarintType:
			e.DroppedAttributes = uint32(s.value)
		}
	}
	return e
}

// Link is a view of a span's reference to another, in this trace or elsewhere.
type Link struct {
	TraceID           TraceID
	SpanID            SpanID
	TraceState        []byte
	Attributes        Attributes
	DroppedAttributes uint32
	Flags             uint32
}

// Links yields the span's links in the order in which they were sent.
func (sp *Span) Links() iter.Seq[Link] {
	return func(yield func(Link) bool) {
		for s := (scanner{buf: sp.links}); s.next(); {
			if s.is(13) && !yield(parseLink(s.data)) {
				return
			}
		}
	}
}

// parseLink reads a Link:
//
//	bytes trace_id = 1;  bytes span_id = 2;  string trace_state = 3;  repeated KeyValue attributes = 4;
//	uint32 dropped_attributes_count = 5;  fixed32 flags = 6;
func parseLink(raw []byte) Link {
	l := Link{Attributes: Attributes{raw: raw, num: 4}}
	for s := (scanner{buf: raw}); s.next(); {
		switch {
		case s.is(1):
			l.TraceID = traceID(s.data)
		case s.is(2):
			l.SpanID = spanID(s.data)
		case s.is(3):
			l.TraceState = s.data
		case s.num == 5 && s.typ == protowire.VarintType:
			l.DroppedAttributes = uint32(s.value)
		case s.num == 6 && s.typ == protowire.Fixed32Type:
			l.Flags = uint32(s.value)
		}
	}
	return l
}

func traceID(data []byte) (id TraceID) {
	if len(data) == len(id) {
		copy(id[:], data)
	}
	return id
}

func spanID(data []byte) (id SpanID) {
	if len(data) == len(id) {
		copy(id[:], data)
	}
	return id
}
