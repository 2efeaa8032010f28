package wire

import (
	"encoding/binary"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxDepth bounds how deeply messages may be nested, the request included.
const maxDepth = 100

// CountSpans checks all of an encoded ExportTraceServiceRequest and counts its
// spans. Errors: ErrMalformed.
func CountSpans(request []byte) (int, error) {
	spans, _, err := InspectSpans(request)
	return spans, err
}

// InspectSpans is CountSpans, and in the same pass counts those among the spans
// for which HasIDs is false.
func InspectSpans(request []byte) (spans, nameless int, err error) {
	c := checker{}
	if err := c.check(request, schema.traces, 1); err != nil {
		return 0, 0, err
	}
	return c.items, c.nameless, nil
}

// CountPoints checks all of an encoded ExportMetricsServiceRequest and counts
// the data points of all its metrics. Errors: ErrMalformed.
func CountPoints(request []byte) (int, error) { return count(request, schema.metrics) }

// CountLogs checks all of an encoded ExportLogsServiceRequest and counts its
// log records. Errors: ErrMalformed.
func CountLogs(request []byte) (int, error) { return count(request, schema.logs) }

func count(request []byte, m *message) (int, error) {
	c := checker{}
	if err := c.check(request, m, 1); err != nil {
		return 0, err
	}
	return c.items, nil
}

// checker walks all of a request and counts the items in it.
type checker struct {
	items, nameless int

	// Which ids the item under way has had; only spans have rules for that.
	traceID, spanID bool
}

// check does without a scanner: each span that is received passes here whole,
// and this is most of what receiving it costs.
func (c *checker) check(buf []byte, m *message, depth int) error {
	if depth > maxDepth {
		return malformed(m.name, "nested too deeply")
	}
	for pos := 0; pos < len(buf); {
		if n := quick(buf[pos:]); n > 0 {
			pos += n
			continue
		}
		if r, data := short(buf[pos:], m); r != nil {
			n := 2 + len(data)
			var err error
			switch r.kind {
			case anything:
			case pair:
				n, err = c.pairs(buf[pos:], r, m, depth)
			default:
				err = c.obey(r, data, m, depth)
			}
			if err != nil {
				return err
			}
			pos += n
			continue
		}
		n, err := c.field(buf[pos:], m, depth)
		if err != nil {
			return err
		}
		pos += n
	}
	return nil
}

// quick is the length of the field at the beginning of b when it is a number
// that takes the most usual space: a byte for the tag, and one for a varint.
// Otherwise it is zero.
func quick(b []byte) int {
	if b[0] < 8 || b[0] >= 0x80 {
		return 0
	}
	switch b[0] & 7 {
	case byte(protowire.VarintType):
		if len(b) > 1 && b[1] < 0x80 {
			return 2
		}
	case byte(protowire.Fixed64Type):
		if len(b) > 8 {
			return 9
		}
	case byte(protowire.Fixed32Type):
		if len(b) > 4 {
			return 5
		}
	}
	return 0
}

// short finds the rule and the content of the field at the beginning of b when
// it is length-delimited and number and length take a byte each.
func short(b []byte, m *message) (*rule, []byte) {
	if len(b) < 2 || b[0]&0x87 != 2 || b[0] < 8 || b[1] >= 0x80 || int(b[1]) > len(b)-2 {
		return nil, nil
	}
	return &m.rules[b[0]>>3], b[2 : 2+int(b[1])]
}

// field checks the field at the beginning of b, whatever it is, and returns its
// length.
func (c *checker) field(b []byte, m *message, depth int) (int, error) {
	tag, pos := varint(b)
	num := tag >> 3
	if pos <= 0 || num < uint64(protowire.MinValidNumber) || num > uint64(protowire.MaxValidNumber) {
		return 0, broken(m)
	}
	if tag&7 != uint64(protowire.BytesType) {
		n := scalar(tag, b[pos:])
		if n < 0 {
			return 0, broken(m)
		}
		return pos + n, nil
	}
	size, n := varint(b[pos:])
	if n <= 0 || size > uint64(len(b)-pos-n) {
		return 0, broken(m)
	}
	data := b[pos+n : pos+n+int(size)]
	if num < uint64(len(m.rules)) && m.rules[num].kind != anything {
		if err := c.obey(&m.rules[num], data, m, depth); err != nil {
			return 0, err
		}
	}
	return pos + n + len(data), nil
}

// obey holds the content of a length-delimited field against its rule.
func (c *checker) obey(r *rule, data []byte, m *message, depth int) error {
	switch r.kind {
	case text:
		if !utf8.Valid(data) {
			return malformed(m.name, "text that is not UTF-8")
		}
	case nested, pair:
		if r.item {
			return c.item(r, data, depth)
		}
		return c.check(data, r.message, depth+1)
	case traceIdentity:
		c.traceID = traceID(data) != TraceID{}
	case spanIdentity:
		c.spanID = spanID(data) != SpanID{}
	case packedFixed64:
		if len(data)%8 != 0 {
			return malformed(m.name, "packed numbers end in the middle of one")
		}
	case packedVarint:
		if !varints(data) {
			return malformed(m.name, "packed numbers that are no varints")
		}
	}
	return nil
}

func (c *checker) item(r *rule, data []byte, depth int) error {
	c.items++
	c.traceID, c.spanID = false, false
	checked := 0
	if r.message.rules[1].kind == traceIdentity {
		checked = c.head(data)
	}
	err := c.check(data[checked:], r.message, depth+1)
	if !c.traceID || !c.spanID {
		c.nameless++
	}
	return err
}

// head checks the beginning of a Span as far as it is what nearly all begin with,
// in that order: both ids, the parent's, a short name of ASCII, the kind and the
// times. It returns how much it has checked.
func (c *checker) head(b []byte) int {
	if len(b) < idsSize || b[0] != traceIDTag || b[1] != 16 || b[18] != spanIDTag || b[19] != 8 {
		return 0
	}
	le := binary.LittleEndian
	c.traceID, c.spanID = le.Uint64(b[2:])|le.Uint64(b[10:]) != 0, le.Uint64(b[20:]) != 0
	at := idsSize
	if len(b) >= at+10 && b[at] == parentIDTag && b[at+1] == 8 {
		at += 10
	}
	if len(b) >= at+2 && b[at] == nameTag && b[at+1] < 0x80 {
		end := at + 2 + int(b[at+1])
		if end > len(b) || !ascii(b[at+2:end]) {
			return at
		}
		at = end
	}
	if len(b) >= at+20 && b[at] == kindTag && b[at+1] < 0x80 && b[at+2] == startTag && b[at+11] == endTag {
		at += 20
	}
	return at
}

func broken(m *message) error { return malformed(m.name, "not a protobuf message") }

// varint is protowire.ConsumeVarint with a short way for a single byte.
func varint(b []byte) (uint64, int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	return protowire.ConsumeVarint(b)
}

// scalar is the length of the value at the beginning of b, which is not
// length-delimited, or negative. A group can only be an unknown field; an end
// without a start is broken, as are the two wire types that do not exist.
func scalar(tag uint64, b []byte) int {
	switch typ := protowire.Type(tag & 7); typ {
	case protowire.VarintType:
		_, n := varint(b)
		return n
	case protowire.Fixed64Type:
		if len(b) >= 8 {
			return 8
		}
	case protowire.Fixed32Type:
		if len(b) >= 4 {
			return 4
		}
	default:
		return protowire.ConsumeFieldValue(protowire.Number(tag>>3), typ, b)
	}
	return -1
}

func varints(data []byte) bool {
	for len(data) > 0 {
		_, n := varint(data)
		if n <= 0 {
			return false
		}
		data = data[n:]
	}
	return true
}
