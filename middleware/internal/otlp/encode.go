// Package otlp encodes what the middleware sends, spans, metrics and log
// records, as OTLP requests (opentelemetry-proto 1.10), and posts them over
// HTTP. It needs nothing of the generated code, which would link gRPC.
package otlp

import (
	"math"

	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/protobuf/encoding/protowire"
)

// message appends a length-delimited field whose content body writes.
func message(dst []byte, num protowire.Number, body func([]byte) []byte) []byte {
	dst = protowire.AppendTag(dst, num, protowire.BytesType)
	start := len(dst)
	// Most messages are shorter than 128 bytes: their length is one byte.
	dst = body(append(dst, 0))
	length := uint64(len(dst) - start - 1)
	if length < 0x80 {
		dst[start] = byte(length)
		return dst
	}
	wider := protowire.SizeVarint(length) - 1
	dst = append(dst, make([]byte, wider)...)
	copy(dst[start+1+wider:], dst[start+1:len(dst)-wider])
	protowire.AppendVarint(dst[start:start], length)
	return dst
}

// text and the functions below leave out what proto3 leaves out: defaults.

func text(dst []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return dst
	}
	return protowire.AppendString(protowire.AppendTag(dst, num, protowire.BytesType), s)
}

func bytes(dst []byte, num protowire.Number, b []byte) []byte {
	if len(b) == 0 {
		return dst
	}
	return protowire.AppendBytes(protowire.AppendTag(dst, num, protowire.BytesType), b)
}

func varint(dst []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendVarint(protowire.AppendTag(dst, num, protowire.VarintType), v)
}

func fixed64(dst []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendFixed64(protowire.AppendTag(dst, num, protowire.Fixed64Type), v)
}

func fixed32(dst []byte, num protowire.Number, v uint32) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendFixed32(protowire.AppendTag(dst, num, protowire.Fixed32Type), v)
}

// double writes a member of a oneof or an optional field, where 0 is a value.
func double(dst []byte, num protowire.Number, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(dst, num, protowire.Fixed64Type), math.Float64bits(v))
}

// packed writes a packed repeated field of 64-bit numbers.
func packed(dst []byte, num protowire.Number, numbers []uint64) []byte {
	if len(numbers) == 0 {
		return dst
	}
	dst = protowire.AppendVarint(protowire.AppendTag(dst, num, protowire.BytesType), uint64(8*len(numbers)))
	for _, n := range numbers {
		dst = protowire.AppendFixed64(dst, n)
	}
	return dst
}

// attributes appends each as a field of that number:
//
//	KeyValue { string key = 1;  AnyValue value = 2; }
func attributes(dst []byte, num protowire.Number, list []attribute.KeyValue) []byte {
	for _, kv := range list {
		dst = message(dst, num, func(dst []byte) []byte {
			dst = text(dst, 1, string(kv.Key))
			return message(dst, 2, func(dst []byte) []byte { return value(dst, kv.Value) })
		})
	}
	return dst
}

// textAttribute is the attribute that most are.
func textAttribute(dst []byte, num protowire.Number, key, val string) []byte {
	return message(dst, num, func(dst []byte) []byte {
		dst = text(dst, 1, key)
		return message(dst, 2, func(dst []byte) []byte { return stringValue(dst, val) })
	})
}

// stringValue and its like write one member of AnyValue:
//
//	string string_value = 1;  bool bool_value = 2;  int64 int_value = 3;  double double_value = 4;
//	ArrayValue array_value = 5;  KeyValueList kvlist_value = 6;  bytes bytes_value = 7;
func stringValue(dst []byte, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(dst, 1, protowire.BytesType), valid(s))
}

func boolValue(dst []byte, b bool) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, 2, protowire.VarintType), protowire.EncodeBool(b))
}

func intValue(dst []byte, n int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, 3, protowire.VarintType), uint64(n))
}

func value(dst []byte, v attribute.Value) []byte {
	switch v.Type() {
	case attribute.BOOL:
		return boolValue(dst, v.AsBool())
	case attribute.INT64:
		return intValue(dst, v.AsInt64())
	case attribute.FLOAT64:
		return double(dst, 4, v.AsFloat64())
	case attribute.STRING:
		return stringValue(dst, v.AsString())
	case attribute.BOOLSLICE:
		return array(dst, v.AsBoolSlice(), boolValue)
	case attribute.INT64SLICE:
		return array(dst, v.AsInt64Slice(), intValue)
	case attribute.FLOAT64SLICE:
		return array(dst, v.AsFloat64Slice(), func(dst []byte, f float64) []byte { return double(dst, 4, f) })
	case attribute.STRINGSLICE:
		return array(dst, v.AsStringSlice(), stringValue)
	case attribute.BYTESLICE:
		return protowire.AppendBytes(protowire.AppendTag(dst, 7, protowire.BytesType), v.AsByteSlice())
	case attribute.SLICE:
		return array(dst, v.AsSlice(), value)
	case attribute.MAP:
		return message(dst, 6, func(dst []byte) []byte { return attributes(dst, 1, v.AsMap()) })
	case attribute.EMPTY:
	}
	return dst
}

func array[T any](dst []byte, list []T, element func([]byte, T) []byte) []byte {
	return message(dst, 5, func(dst []byte) []byte {
		for _, e := range list {
			dst = message(dst, 1, func(dst []byte) []byte { return element(dst, e) })
		}
		return dst
	})
}
