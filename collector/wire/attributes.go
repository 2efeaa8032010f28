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
		for raw := a.raw; len(raw) > 0; {
			tag, _, entry, size := first(raw)
			if size == 0 {
				return
			}
			raw = raw[size:]
			if tag != a.tag() {
				continue
			}
			if key, value := parseKeyValue(entry); !yield(key, parseValue(value)) {
				return
			}
		}
	}
}

// Get is the value of the first entry with that key.
func (a Attributes) Get(key string) (Value, bool) {
	for raw := a.raw; len(raw) > 0; {
		tag, _, entry, size := first(raw)
		if size == 0 {
			break
		}
		raw = raw[size:]
		if tag != a.tag() {
			continue
		}
		if k, value := parseKeyValue(entry); string(k) == key {
			return parseValue(value), true
		}
	}
	return Value{}, false
}

func (a Attributes) tag() uint64 { return uint64(a.num)<<3 | bytesType }

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
	if len(raw) >= 4 && raw[0] == 0x0a && raw[1] < 0x80 { // Nearly all are one short key and one short value.
		if at := 2 + int(raw[1]); at+2 <= len(raw) && raw[at] == 0x12 && raw[at+1] < 0x80 && int(raw[at+1]) == len(raw)-at-2 {
			return raw[2:at:at], raw[at+2:]
		}
	}
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
