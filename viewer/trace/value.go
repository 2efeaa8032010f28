package trace

import (
	"encoding/base64"
	"strconv"
)

// Attribute is a key with its value.
type Attribute struct {
	Key   string
	Value Value
}

// ValueType says which field of a Value counts.
type ValueType uint8

// The types of values; arrays and maps are strings that hold their JSON.
const (
	String ValueType = iota
	Bool
	Int
	Float
	Bytes
)

// Value is an attribute's value.
type Value struct {
	Type  ValueType
	Str   string // String and, unencoded, Bytes
	Int   int64  // Int and, as 0 or 1, Bool
	Float float64
}

// Text is the value as it is shown and compared: bytes in base64.
func (v Value) Text() string {
	switch v.Type {
	case Bool:
		return strconv.FormatBool(v.Int != 0)
	case Int:
		return strconv.FormatInt(v.Int, 10)
	case Float:
		return strconv.FormatFloat(v.Float, 'g', -1, 64)
	case Bytes:
		return base64.StdEncoding.EncodeToString([]byte(v.Str))
	}
	return v.Str
}

// Text makes a string's Value.
func Text(s string) Value { return Value{Str: s} }

// Get finds an attribute.
func Get(attributes []Attribute, key string) (Value, bool) {
	for _, a := range attributes {
		if a.Key == key {
			return a.Value, true
		}
	}
	return Value{}, false
}
