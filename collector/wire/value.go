package wire

import (
	"encoding/base64"
	"encoding/json"
	"iter"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// Kind is the type of a Value.
type Kind uint8

// The kinds of opentelemetry.proto.common.v1.AnyValue. Empty is a value of its
// own in OTLP: the attribute is there and has none.
const (
	Empty Kind = iota
	String
	Bool
	Int
	Double
	Array
	Map
	Bytes
	// Index is the place of a text in a dictionary, which profiles have and
	// other signals have not: there it means nothing.
	Index
)

// Value is a view of an AnyValue. The zero Value is Empty.
type Value struct {
	kind   Kind
	scalar uint64
	data   []byte
}

// parseValue reads an AnyValue:
//
//	oneof value {
//	  string string_value = 1;  bool bool_value = 2;  int64 int_value = 3;  double double_value = 4;
//	  ArrayValue array_value = 5;  KeyValueList kvlist_value = 6;  bytes bytes_value = 7;
//	  int32 string_value_strindex = 8;
//	}
func parseValue(raw []byte) Value {
	if len(raw) >= 2 && raw[0] == 0x0a && raw[1] < 0x80 && int(raw[1]) == len(raw)-2 {
		return Value{kind: String, data: raw[2:]}
	}
	var v Value
	for s := (scanner{buf: raw}); s.next(); {
		switch {
		case s.is(1):
			v = Value{kind: String, data: s.data}
		case s.num == 2 && s.typ == protowire.VarintType:
			v = Value{kind: Bool, scalar: s.value}
		case s.num == 3 && s.typ == protowire.VarintType:
			v = Value{kind: Int, scalar: s.value}
		case s.num == 4 && s.typ == protowire.Fixed64Type:
			v = Value{kind: Double, scalar: s.value}
		case s.is(5):
			v = v.merged(Array, s.data)
		case s.is(6):
			v = v.merged(Map, s.data)
		case s.is(7):
			v = Value{kind: Bytes, data: s.data}
		case s.num == 8 && s.typ == protowire.VarintType:
			v = Value{kind: Index, scalar: s.value}
		}
	}
	return v
}

// merged replaces a value of another kind, and joins one of the same.
func (v Value) merged(k Kind, data []byte) Value {
	if v.kind != k {
		return Value{kind: k, data: data}
	}
	return Value{kind: k, data: merge(v.data, data)}
}

// Kind is the value's type; it says which of the other methods has a meaning.
func (v Value) Kind() Kind { return v.kind }

// Str is the text of a String, not copied.
func (v Value) Str() []byte { return v.data }

// Bytes is the content of a Bytes value, not copied.
func (v Value) Bytes() []byte { return v.data }

// Bool is the truth of a Bool.
func (v Value) Bool() bool { return v.scalar != 0 }

// Int is the number of an Int.
func (v Value) Int() int64 { return int64(v.scalar) }

// Double is the number of a Double.
func (v Value) Double() float64 { return math.Float64frombits(v.scalar) }

// Values are the elements of an Array, in order.
func (v Value) Values() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.kind != Array {
			return
		}
		for s := (scanner{buf: v.data}); s.next(); {
			if s.is(1) && !yield(parseValue(s.data)) {
				return
			}
		}
	}
}

// Map are the entries of a Map, in order; keys may repeat.
func (v Value) Map() Attributes {
	if v.kind != Map {
		return Attributes{}
	}
	return Attributes{raw: v.data, num: 1}
}

// String renders a value for people: text as it is, bytes in base64, arrays
// and maps as JSON.
func (v Value) String() string {
	if v.kind == String {
		return string(v.data)
	}
	return string(v.appendJSON(nil))
}

func (v Value) appendJSON(dst []byte) []byte {
	switch v.kind {
	case String:
		return appendQuoted(dst, string(v.data))
	case Bool:
		return strconv.AppendBool(dst, v.Bool())
	case Int:
		return strconv.AppendInt(dst, v.Int(), 10)
	case Double:
		return strconv.AppendFloat(dst, v.Double(), 'g', -1, 64)
	case Bytes:
		return base64.StdEncoding.AppendEncode(dst, v.data)
	case Array:
		dst = append(dst, '[')
		for element := range v.Values() {
			dst = append(comma(dst, '['), element.appendJSONElement()...)
		}
		return append(dst, ']')
	case Map:
		dst = append(dst, '{')
		for key, element := range v.Map().All() {
			dst = append(appendQuoted(comma(dst, '{'), string(key)), ':')
			dst = append(dst, element.appendJSONElement()...)
		}
		return append(dst, '}')
	}
	return dst
}

// appendJSONElement is a value inside an array or a map, where nothing at all
// would not be JSON, and bytes need quotes.
func (v Value) appendJSONElement() []byte {
	switch v.kind {
	case Empty, Index:
		return []byte("null")
	case Bytes:
		return appendQuoted(nil, base64.StdEncoding.EncodeToString(v.data))
	case Double:
		if math.IsNaN(v.Double()) || math.IsInf(v.Double(), 0) {
			return appendQuoted(nil, strconv.FormatFloat(v.Double(), 'g', -1, 64))
		}
	}
	return v.appendJSON(nil)
}

func comma(dst []byte, opening byte) []byte {
	if dst[len(dst)-1] == opening {
		return dst
	}
	return append(dst, ',')
}

func appendQuoted(dst []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic("BUG: a string that encoding/json cannot write: " + err.Error())
	}
	return append(dst, quoted...)
}
