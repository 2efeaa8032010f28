package derive

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/waybill-dev/waybill/collector/wire"
)

// finder finds the values of several keys in one pass over attributes. It is
// used by one goroutine.
type finder struct {
	keys []string
	// lengths has the keys' indices by their lengths, for which most keys of
	// spans are seen to be others. The last has those that are longer.
	lengths [maxKey + 1][]int
	some    uint64   // has a bit for each length of which there are keys
	values  [][]byte // by key: an encoded AnyValue; nil where there is none
	found   int
}

const maxKey = 63

// noValue is that of a key that has none.
var noValue = []byte{}

func newFinder(keys []string) *finder {
	f := &finder{keys: keys, values: make([][]byte, len(keys))}
	for i, key := range keys {
		n := min(len(key), maxKey)
		f.lengths[n] = append(f.lengths[n], i)
		f.some |= 1 << n
	}
	return f
}

// Tags of what attributes consist of.
const (
	resourceAttributeTag = 1<<3 | bytesType
	keyTag               = 1<<3 | bytesType
	valueTag             = 2<<3 | bytesType
	textTag              = 1<<3 | bytesType
	boolTag              = 2<<3 | varintType
	intTag               = 3<<3 | varintType
	doubleTag            = 4<<3 | fixed64Type
	arrayTag             = 5<<3 | bytesType
	mapTag               = 6<<3 | bytesType
	bytesTag             = 7<<3 | bytesType
)

// look goes over entries, which are the fields of that tag. Of a key that is
// there twice the first counts.
func (f *finder) look(entries []byte, entryTag byte) {
	clear(f.values)
	f.found = 0
	for len(entries) > 0 && f.found < len(f.keys) {
		tag, _, entry, size := field(entries)
		if size == 0 {
			return
		}
		entries = entries[size:]
		if tag != entryTag {
			continue
		}
		key := usual(entry)
		if key == 0 {
			f.take(entry)
		} else if f.some>>(min(key, maxKey+2)-2)&1 != 0 {
			f.note(entry[2:key], entry[key+2:])
		}
	}
}

// usual says where the key ends in an entry that is a key and a value, neither
// of them long, as most entries are. It is zero for others.
func usual(entry []byte) int {
	if len(entry) < 4 || entry[0] != keyTag || entry[1] >= 0x80 {
		return 0
	}
	to := 2 + int(entry[1])
	if to+2 > len(entry) || entry[to] != valueTag || entry[to+1] >= 0x80 || to+2+int(entry[to+1]) != len(entry) {
		return 0
	}
	return to
}

// take is for entries of any other form.
func (f *finder) take(entry []byte) {
	var key, value []byte
	for len(entry) > 0 {
		tag, _, data, size := field(entry)
		if size == 0 {
			break
		}
		switch tag {
		case keyTag:
			key = data
		case valueTag:
			value = join(value, data)
		}
		entry = entry[size:]
	}
	f.note(key, value)
}

func (f *finder) note(key, value []byte) {
	for _, i := range f.lengths[min(len(key), maxKey)] {
		if f.values[i] == nil && string(key) == f.keys[i] {
			if f.values[i] = value; value == nil {
				f.values[i] = noValue
			}
			f.found++
		}
	}
}

// text is the value of a key, where it is a text.
func (f *finder) text(key int) []byte {
	value := f.values[key]
	if len(value) < 2 {
		return nil
	}
	if value[0] == textTag && value[1] < 0x80 && int(value[1]) == len(value)-2 { // As most are.
		return value[2:]
	}
	return anyText(value)
}

func anyText(value []byte) []byte {
	kind, _, text := scalar(value)
	if kind != textTag {
		return nil
	}
	return text
}

// scalar reads an encoded AnyValue: the tag of what it is, or none, and its
// number or its bytes. Of several the last one counts.
func scalar(b []byte) (kind byte, number uint64, data []byte) {
	for len(b) > 0 {
		tag, n, d, size := field(b)
		if size == 0 {
			break
		}
		switch tag {
		case textTag, boolTag, intTag, doubleTag, arrayTag, mapTag, bytesTag:
			kind, number, data = tag, n, d
		}
		b = b[size:]
	}
	return kind, number, data
}

// general is package wire's view of an encoded AnyValue. It copies the value
// into a request of its own; few are neither texts nor whole numbers.
func general(value []byte) (seen wire.Value) {
	within := func(number protowire.Number, content []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), content)
	}
	resource := within(1, within(1, within(2, value)))
	oneSpan := within(2, within(2, nil))
	// The callback returns no error, and the frame around the value is whole.
	_ = wire.EachSpan(within(1, append(resource, oneSpan...)), func(r *wire.Resource, _ *wire.Span) error {
		seen, _ = r.Attributes.Get("")
		return nil
	})
	return seen
}
