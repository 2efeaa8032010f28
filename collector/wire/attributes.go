package wire

import (
	"iter"

	"google.golang.org/protobuf/encoding/protowire"
)

// Attributes is a view of the KeyValue entries of a message, in the order in
// which they were sent. The zero value has none. Keys should be unique, but
// nobody has checked.
type Attributes struct {
	// raw spans all entries, perhaps with other fields between them; num is
	// the entries' field number in it.
	raw []byte
	num protowire.Number
}

// All yields keys and values; both point into the request.
func (a Attributes) All() iter.Seq2[[]byte, Value] {
	return func(yield func([]byte, Value) bool) {
		for s := (scanner{buf: a.raw}); s.next(); {
			if !s.is(a.num) {
				continue
			}
			if key, value := parseKeyValue(s.data); !yield(key, parseValue(value)) {
				return
			}
		}
	}
}

// Get is the value of the first entry with that key.
func (a Attributes) Get(key string) (Value, bool) {
	for s := (scanner{buf: a.raw}); s.next(); {
		if !s.is(a.num) {
			continue
		}
		if k, value := parseKeyValue(s.data); string(k) == key {
			return parseValue(value), true
		}
	}
	return Value{}, false
}

// Len counts the entries.
func (a Attributes) Len() int {
	n := 0
	for s := (scanner{buf: a.raw}); s.next(); {
		if s.is(a.num) {
			n++
		}
	}
	return n
}

// parseKeyValue reads a KeyValue:
//
//	string key = 1;  AnyValue value = 2;
func parseKeyValue(raw []byte) (key, value []byte) {
	for s := (scanner{buf: raw}); s.next(); {
		switch {
		case s.is(1):
			key = s.data
		case s.is(2):
			value = merge(value, s.data)
		}
	}
	return key, value
}
