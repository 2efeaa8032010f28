package tracegen

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

func appendBytes(dst []byte, field protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, field, protowire.BytesType), value)
}

func appendVarint(dst []byte, field protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, field, protowire.VarintType), value)
}

func appendFixed64(dst []byte, field protowire.Number, value uint64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(dst, field, protowire.Fixed64Type), value)
}

// appendAttribute writes a KeyValue with a constant value:
//
//	string key = 1;  AnyValue value = 2
func appendAttribute(dst []byte, field protowire.Number, key string, value any) []byte {
	pair := appendBytes(appendBytes(nil, 1, []byte(key)), 2, anyValue(value))
	return appendBytes(dst, field, pair)
}

// anyValue encodes a constant:
//
//	AnyValue { string string_value = 1;  bool bool_value = 2;  int64 int_value = 3;  double double_value = 4 }
func anyValue(value any) []byte {
	switch v := value.(type) {
	case string:
		return appendBytes(nil, 1, []byte(v))
	case bool:
		return appendVarint(nil, 2, protowire.EncodeBool(v))
	case int64:
		return appendVarint(nil, 3, uint64(v))
	case float64:
		return appendFixed64(nil, 4, math.Float64bits(v))
	default:
		panic("BUG: a topology has an attribute that is no text, number or truth value")
	}
}
