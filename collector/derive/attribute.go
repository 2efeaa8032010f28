package derive

import (
	"bytes"

	"github.com/waybill-dev/waybill/collector/wire"
)

// attribute finds the value of one key in spans. Most spans have few of the
// keys that are looked for, and to see that a span's bytes do not hold a key
// anywhere takes a fraction of the time of a walk over its attributes.
type attribute struct {
	key   string
	bytes []byte
}

func newAttribute(key string) attribute { return attribute{key, []byte(key)} }

func newAttributes(keys []string) []attribute {
	made := make([]attribute, len(keys))
	for i, key := range keys {
		made[i] = newAttribute(key)
	}
	return made
}

// mayBeIn is false where the span has no such key for sure.
func (a *attribute) mayBeIn(span *wire.Span) bool { return bytes.Contains(span.Raw, a.bytes) }

// of is the value of the first attribute with the key; Empty where there is none.
func (a *attribute) of(span *wire.Span) wire.Value {
	if !a.mayBeIn(span) {
		return wire.Value{}
	}
	value, _ := span.Attributes.Get(a.key)
	return value
}

// text is the value, where it is a text.
func (a *attribute) text(span *wire.Span) []byte {
	if value := a.of(span); value.Kind() == wire.String {
		return value.Str()
	}
	return nil
}
