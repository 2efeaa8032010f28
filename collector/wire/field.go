package wire

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
)

// Whoever looks at every span goes over its fields by first and run, which leave
// what they find in registers; scanner is for all else.

// The wire types. A field's tag is its number times eight and one of these.
const (
	varintType  = 0
	fixed64Type = 1
	bytesType   = 2
	fixed32Type = 5
)

// first reads the field at the beginning of b, which is not empty: its tag, its
// number or what it holds, and how many bytes it takes. The size is zero, and
// so is the tag, where b is no message.
func first(b []byte) (tag, number uint64, data []byte, size int) {
	if len(b) < 2 || b[0] < 8 || b[0] >= 0x80 {
		return anyFirst(b)
	}
	switch tag = uint64(b[0]); tag & 7 {
	case bytesType:
		n, at := int(b[1]), 2
		if n >= 0x80 {
			if len(b) < 3 || b[2] >= 0x80 {
				return anyFirst(b)
			}
			n, at = n&0x7f|int(b[2])<<7, 3
		}
		if size = at + n; size <= len(b) {
			return tag, 0, b[at:size:size], size
		}
		return 0, 0, nil, 0
	case varintType:
		if b[1] < 0x80 {
			return tag, uint64(b[1]), nil, 2
		}
	case fixed64Type:
		if len(b) >= 9 {
			return tag, binary.LittleEndian.Uint64(b[1:]), nil, 9
		}
		return 0, 0, nil, 0
	}
	return anyFirst(b)
}

// anyFirst is first for what is long, or of types that OTLP hardly uses.
func anyFirst(b []byte) (tag, number uint64, data []byte, size int) {
	tag, n := protowire.ConsumeVarint(b)
	if num := tag >> 3; n < 0 || num < uint64(protowire.MinValidNumber) || num > uint64(protowire.MaxValidNumber) {
		return 0, 0, nil, 0
	}
	width := 0
	switch kind := protowire.Type(tag & 7); kind {
	case protowire.VarintType:
		number, width = protowire.ConsumeVarint(b[n:])
	case protowire.BytesType:
		data, width = protowire.ConsumeBytes(b[n:])
	case protowire.Fixed32Type:
		var short uint32
		short, width = protowire.ConsumeFixed32(b[n:])
		number = uint64(short)
	case protowire.Fixed64Type:
		number, width = protowire.ConsumeFixed64(b[n:])
	default:
		width = protowire.ConsumeFieldValue(protowire.Number(tag>>3), kind, b[n:])
	}
	if width < 0 {
		return 0, 0, nil, 0
	}
	return tag, number, data, n + width
}

// run is how many bytes at the beginning of b are fields of that tag, which is
// one of bytes and takes a byte itself, and of fewer than 16 KiB each. It may
// stop before its time: what follows is for first.
func run(b []byte, tag byte) int {
	at := 0
	for {
		rest := b[at:]
		if len(rest) < 3 || rest[0] != tag {
			return at
		}
		size := 2 + int(rest[1])
		if rest[1] >= 0x80 {
			if rest[2] >= 0x80 {
				return at
			}
			size = 3 + int(rest[1]&0x7f) + int(rest[2])<<7
		}
		if size > len(rest) {
			return at
		}
		at += size
	}
}
