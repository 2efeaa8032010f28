package tracegen

import (
	"hash/fnv"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/waybill-dev/waybill/tracegen/topology"
)

// variable is an attribute whose value is drawn. The draw is a function of the
// trace, or of the span, and of how the value is written in the topology: what
// is written alike is the same in all spans of a trace.
type variable struct {
	value topology.Value
	// field is what the pair is of its message.
	field protowire.Number
	// key is the encoded key of the pair.
	key []byte
	// salt tells it from other values.
	salt uint64
	// choices are the encoded pairs of PatternOneOf.
	choices [][]byte
}

func newVariable(a topology.Attribute, field protowire.Number) variable {
	v := variable{value: a.Value, field: field, key: appendBytes(nil, 1, []byte(a.Key))}
	h := fnv.New64a()
	_, _ = h.Write([]byte(strconv.FormatUint(a.Value.Cardinality, 10))) // A hash takes everything.
	for _, choice := range a.Value.OneOf {
		pair := appendAttribute(nil, field, a.Key, choice)
		v.choices = append(v.choices, pair)
		_, _ = h.Write(pair[protowire.SizeTag(field):]) // alike in spans and in log records
	}
	_, _ = h.Write([]byte{byte(a.Value.Pattern)})
	v.salt = h.Sum64()
	return v
}

// append draws the value and appends it to a span's attributes.
func (v *variable) append(dst []byte, trace, span uint64) []byte {
	drawn := mix(trace ^ v.salt)
	if v.value.PerSpan {
		drawn = mix(span ^ v.salt)
	}
	if v.value.Cardinality > 0 {
		drawn %= v.value.Cardinality
	}
	switch v.value.Pattern {
	case topology.PatternOneOf:
		return append(dst, v.choices[drawn%uint64(len(v.choices))]...)
	case topology.PatternInt:
		low, span := v.value.Low, uint64(v.value.High-v.value.Low)+1
		return v.appendInt(dst, low+int64(drawn%span))
	default:
		return v.appendText(dst, drawn)
	}
}

func (v *variable) appendInt(dst []byte, n int64) []byte {
	size := protowire.SizeTag(3) + protowire.SizeVarint(uint64(n))
	dst = v.open(dst, size)
	return appendVarint(dst, 3, uint64(n))
}

// letters are what ids are made of: five bits each.
const letters = "abcdefghijklmnopqrstuvwxyz234567"

func (v *variable) appendText(dst []byte, n uint64) []byte {
	var filled [20]byte
	middle := filled[:0]
	if v.value.Pattern == topology.PatternNumber {
		middle = strconv.AppendUint(middle, n, 10)
	} else {
		for bits, left := n, 0; len(middle) < cap(middle); bits, left = bits>>5, left-1 {
			if left == 0 {
				bits, left = mix(n+uint64(len(middle))), 12
			}
			middle = append(middle, letters[bits&31])
		}
	}
	text := len(v.value.Prefix) + len(middle) + len(v.value.Suffix)
	dst = v.open(dst, protowire.SizeTag(1)+protowire.SizeBytes(text))
	dst = protowire.AppendTag(dst, 1, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(text))
	dst = append(append(dst, v.value.Prefix...), middle...)
	return append(dst, v.value.Suffix...)
}

// open writes what stands before a value of so many bytes.
func (v *variable) open(dst []byte, size int) []byte {
	pair := len(v.key) + protowire.SizeTag(2) + protowire.SizeBytes(size)
	dst = protowire.AppendTag(dst, v.field, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(pair))
	dst = append(dst, v.key...)
	dst = protowire.AppendTag(dst, 2, protowire.BytesType)
	return protowire.AppendVarint(dst, uint64(size))
}

// mix makes of a number another that looks random (splitmix64's finalizer).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
