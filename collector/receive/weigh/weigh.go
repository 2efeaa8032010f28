// Package weigh says what it takes to decode a request of a protocol other than
// OTLP, before it is decoded: the memory, so that it can be admitted, and the
// work that grows faster than the request does.
//
// The figures are bounds, not measurements: tests in the packages that decode
// hold what is allocated against them.
package weigh

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// perMessage is what a message costs when it has been decoded into a struct and
// translated into another, both in growing slices, in bytes.
const perMessage = 1 << 10

// perElement is what a value in an object or a list costs, in bytes.
const perElement = 512

// Text is what n bytes of strings cost: in the request's structs, in those of
// OTLP, and encoded again.
func Text(n int) int64 { return 4 * int64(n) }

// Messages is what n structs cost, strings aside.
func Messages(n int) int64 { return perMessage * int64(n) }

// JSON is what it takes to decode text: what a few bytes of JSON can make a
// decoder allocate are objects, one for each brace, and elements, one for each
// comma or bracket.
func JSON[T []byte | string](text T) int64 {
	var objects, elements int64
	for i := range len(text) {
		switch text[i] {
		case '{':
			objects++
		case ',', '[':
			elements++
		}
	}
	return Text(len(text)) + perMessage*objects + perElement*elements
}

// Schema has the fields of a protobuf message that are messages, or otherwise
// take more memory than bytes on the wire: repeated strings. The value is nil
// where nothing further inside does.
type Schema map[protowire.Number]Schema

// Protobuf is what it takes to decode a message. It looks no deeper than the
// schema does; that the rest is well-formed is for the decoder to find.
func Protobuf(payload []byte, schema Schema) (int64, error) {
	n, err := count(payload, schema)
	return Text(len(payload)) + Messages(n), err
}

var errTruncated = errors.New("truncated protobuf message")

// count returns how many messages there are in a message, itself included.
func count(message []byte, schema Schema) (int, error) {
	n := 1
	for len(message) > 0 {
		number, wireType, size := protowire.ConsumeTag(message)
		if size < 0 {
			return 0, errTruncated
		}
		message = message[size:]
		inner, known := schema[number]
		if !known || wireType != protowire.BytesType {
			if size = protowire.ConsumeFieldValue(number, wireType, message); size < 0 {
				return 0, errTruncated
			}
			message = message[size:]
			continue
		}
		value, size := protowire.ConsumeBytes(message)
		if size < 0 {
			return 0, errTruncated
		}
		message = message[size:]
		if inner == nil {
			n++
			continue
		}
		inside, err := count(value, inner)
		if err != nil {
			return 0, err
		}
		n += inside
	}
	return n, nil
}

// maxComparisons bounds what attributes cost to put together: about half a
// second of one processor. A request of 100,000 spans with 50 attributes each
// has as many; so has one span with 16,000.
const maxComparisons = 1 << 28

// Work adds up the comparisons of keys that translation takes. The libraries
// look through all attributes of an item for each that they add, so that a
// span of a million tags, which is only some megabytes, would take hours.
type Work struct{ comparisons int64 }

// Attributes adds an item with n attributes.
func (w *Work) Attributes(n int) { w.comparisons += int64(n) * int64(n) }

// Err is not nil when the request is too much work.
func (w *Work) Err() error {
	if w.comparisons > maxComparisons {
		return errors.New("a span, event or process has too many attributes")
	}
	return nil
}
