package derive

import (
	"encoding/binary"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Deriving looks at few of a span's fields, and at each span that is received,
// so it reads them by a pass of its own: package wire makes views of all that
// there is, which takes three times as long. What both see in the same bytes is
// the same; a fuzz test holds one against the other.

// The types of what follows a tag.
const (
	varintType  = byte(protowire.VarintType)
	fixed64Type = byte(protowire.Fixed64Type)
	bytesType   = byte(protowire.BytesType)
)

// field reads the first field of b, which is not empty: its tag, its number or
// what it holds, and how many bytes it takes; none where b is no message.
func field(b []byte) (tag byte, number uint64, data []byte, size int) {
	if tag = b[0]; tag >= 8 && tag < 0x80 && len(b) > 1 {
		switch tag & 7 {
		case bytesType:
			if b[1] < 0x80 {
				if size = 2 + int(b[1]); size <= len(b) {
					return tag, 0, b[2:size:size], size
				}
				return 0, 0, nil, 0
			}
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
	}
	return anyField(b)
}

// anyField is field for what is long, or of types that OTLP does not use.
func anyField(b []byte) (tag byte, number uint64, data []byte, size int) {
	long, n := protowire.ConsumeVarint(b)
	if num := long >> 3; n < 0 || num < uint64(protowire.MinValidNumber) || num > uint64(protowire.MaxValidNumber) {
		return 0, 0, nil, 0
	}
	if long < 0x80 {
		tag = byte(long)
	}
	width := 0
	switch kind := protowire.Type(long & 7); kind {
	case protowire.VarintType:
		number, width = protowire.ConsumeVarint(b[n:])
	case protowire.BytesType:
		data, width = protowire.ConsumeBytes(b[n:])
	default:
		width = protowire.ConsumeFieldValue(protowire.Number(long>>3), kind, b[n:])
	}
	if width < 0 {
		return 0, 0, nil, 0
	}
	return tag, number, data, n + width
}

// join lays two occurrences of a message end to end, which makes them one. Of
// one occurrence nothing is copied.
func join(before, data []byte) []byte {
	if len(before) == 0 {
		return data
	}
	return append(slices.Clip(before), data...)
}
