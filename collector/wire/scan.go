package wire

import (
	"encoding/binary"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// scanner steps through the fields of one encoded message.
type scanner struct {
	buf []byte
	pos int

	// The field that next found: buf[start:pos], decoded to value (varint,
	// fixed32, fixed64) or data (length-delimited).
	start int
	num   protowire.Number
	typ   protowire.Type
	value uint64
	data  []byte

	// broken is set when the bytes are no message; next is false from then on.
	broken bool
}

// next moves to the next field. False is the end, or broken.
func (s *scanner) next() bool {
	if s.broken || s.pos >= len(s.buf) {
		return false
	}
	s.start = s.pos
	if b := s.buf[s.pos:]; len(b) > 1 && b[0]&0x87 == 2 && b[0] > 2 && int(b[1]) <= len(b)-2 && b[1] < 0x80 {
		// Most fields are short: number and length take a byte each.
		s.num, s.typ = protowire.Number(b[0]>>3), protowire.BytesType
		s.pos += 2 + int(b[1])
		s.data = s.buf[s.start+2 : s.pos : s.pos]
		return true
	}
	tag := s.varint()
	if num := tag >> 3; num < uint64(protowire.MinValidNumber) || num > uint64(protowire.MaxValidNumber) {
		s.broken = true
		return false
	}
	s.num, s.typ = protowire.Number(tag>>3), protowire.Type(tag&7)
	switch s.typ {
	case protowire.VarintType:
		s.value = s.varint()
	case protowire.BytesType:
		if n := s.varint(); n <= uint64(len(s.buf)-s.pos) {
			s.data = s.buf[s.pos : s.pos+int(n) : s.pos+int(n)]
			s.pos += int(n)
		} else {
			s.broken = true
		}
	case protowire.Fixed64Type:
		if len(s.buf)-s.pos >= 8 {
			s.value = binary.LittleEndian.Uint64(s.buf[s.pos:])
			s.pos += 8
		} else {
			s.broken = true
		}
	case protowire.Fixed32Type:
		if len(s.buf)-s.pos >= 4 {
			s.value = uint64(binary.LittleEndian.Uint32(s.buf[s.pos:]))
			s.pos += 4
		} else {
			s.broken = true
		}
	default:
		s.group()
	}
	return !s.broken
}

// group skips what OTLP does not use: a group of an unknown field. An end
// without a start is broken, as are the two wire types that do not exist.
func (s *scanner) group() {
	n := protowire.ConsumeFieldValue(s.num, s.typ, s.buf[s.pos:])
	if n < 0 {
		s.broken = true
		return
	}
	s.pos += n
}

func (s *scanner) varint() uint64 {
	if s.pos < len(s.buf) && s.buf[s.pos] < 0x80 {
		s.pos++
		return uint64(s.buf[s.pos-1])
	}
	v, n := protowire.ConsumeVarint(s.buf[s.pos:])
	if n < 0 {
		s.broken = true
		return 0
	}
	s.pos += n
	return v
}

// is says whether the field is length-delimited and has that number.
func (s *scanner) is(num protowire.Number) bool {
	return s.num == num && s.typ == protowire.BytesType
}

// merge joins two occurrences of a singular message, the way of proto3: fields
// laid end to end are one message. The common case, one occurrence, copies
// nothing.
func merge(before, data []byte) []byte {
	if len(before) == 0 {
		return data
	}
	return append(slices.Clip(before), data...)
}

// extent is the part of a message from the first to the last occurrence of a
// repeated field: what a view of them has to scan, instead of all of it.
type extent struct{ first, last int }

// add takes in what lies between.
func (e *extent) add(first, last int) {
	if e.last == 0 {
		e.first = first
	}
	e.last = last
}

func (e *extent) of(raw []byte) []byte { return raw[e.first:e.last] }
