package derive

import "github.com/waybill-dev/waybill/collector/wire"

// view is what deriving needs of a span. What it points to is the journal's.
type view struct {
	trace        wire.TraceID
	span, parent wire.SpanID
	start, end   uint64 // nanoseconds since 1970
	state, name  []byte
	kind         wire.SpanKind
	code         wire.StatusCode
	// From the first to the last of them, other fields between included.
	attributes, links []byte
}

// Tags of a span's fields, and of those inside.
const (
	traceTag     = 1<<3 | bytesType
	idTag        = 2<<3 | bytesType
	stateTag     = 3<<3 | bytesType
	parentTag    = 4<<3 | bytesType
	nameTag      = 5<<3 | bytesType
	kindTag      = 6<<3 | varintType
	startTag     = 7<<3 | fixed64Type
	endTag       = 8<<3 | fixed64Type
	attributeTag = 9<<3 | bytesType
	linkTag      = 13<<3 | bytesType
	statusTag    = 15<<3 | bytesType
	codeTag      = 3<<3 | varintType
	linkTraceTag = 1<<3 | bytesType
	linkSpanTag  = 2<<3 | bytesType
)

// parse reads an encoded span. False says that it is none.
func (v *view) parse(b []byte) bool {
	*v = view{}
	var attributes, links stretch
	for at := 0; at < len(b); {
		tag, number, data, size := field(b[at:])
		if size == 0 {
			return false
		}
		switch tag {
		case traceTag:
			v.trace = traceOf(data)
		case idTag:
			v.span = idOf(data)
		case stateTag:
			v.state = data
		case parentTag:
			v.parent = idOf(data)
		case nameTag:
			v.name = data
		case kindTag:
			v.kind = wire.SpanKind(number)
		case startTag:
			v.start = number
		case endTag:
			v.end = number
		case attributeTag:
			attributes.add(at, size)
		case linkTag:
			links.add(at, size)
		case statusTag:
			if !v.parseStatus(data) {
				return false
			}
		}
		at += size
	}
	v.attributes, v.links = b[attributes.from:attributes.to], b[links.from:links.to]
	return true
}

func (v *view) parseStatus(b []byte) bool {
	for len(b) > 0 {
		tag, number, _, size := field(b)
		if size == 0 {
			return false
		}
		if tag == codeTag {
			v.code = wire.StatusCode(number)
		}
		b = b[size:]
	}
	return true
}

// hasIDs says whether trace and span have valid ids.
func (v *view) hasIDs() bool { return v.trace != wire.TraceID{} && v.span != wire.SpanID{} }

// nextLink reads the first of the links, and returns those that follow it; with
// false there is none.
func nextLink(links []byte) (to end, rest []byte, found bool) {
	for len(links) > 0 {
		tag, _, link, size := field(links)
		if size == 0 {
			return end{}, nil, false
		}
		links = links[size:]
		if tag != linkTag {
			continue
		}
		for len(link) > 0 {
			tag, _, data, size := field(link)
			if size == 0 {
				break
			}
			switch tag {
			case linkTraceTag:
				to.trace = traceOf(data)
			case linkSpanTag:
				to.span = idOf(data)
			}
			link = link[size:]
		}
		return to, links, true
	}
	return end{}, nil, false
}

// stretch is a part of a message.
type stretch struct{ from, to int }

func (s *stretch) add(at, size int) {
	if s.to == 0 {
		s.from = at
	}
	s.to = at + size
}

func traceOf(data []byte) (id wire.TraceID) {
	if len(data) == len(id) {
		id = wire.TraceID(data)
	}
	return id
}

func idOf(data []byte) (id wire.SpanID) {
	if len(data) == len(id) {
		id = wire.SpanID(data)
	}
	return id
}
