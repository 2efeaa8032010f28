package wire

// Finder finds the values of several keys in one pass over attributes. It is
// used by one goroutine.
type Finder struct {
	keys []string
	// lengths has the keys' indices by their lengths, by which most keys of
	// spans are seen to be others. The last has those that are longer.
	lengths [maxKey + 1][]int
	some    uint64   // has a bit for each length of which there are keys
	values  [][]byte // by key: an encoded AnyValue; nil where there is none
	found   int      // how many of the keys have one
}

const maxKey = 63

// noValue is that of a key that has none.
var noValue = []byte{}

// NewFinder is of keys, which are then known by their places.
func NewFinder(keys []string) *Finder {
	f := &Finder{keys: keys, values: make([][]byte, len(keys))}
	for i, key := range keys {
		n := min(len(key), maxKey)
		f.lengths[n] = append(f.lengths[n], i)
		f.some |= 1 << n
	}
	return f
}

// Len is how many keys there are.
func (f *Finder) Len() int { return len(f.keys) }

// Find looks for the keys, and returns how many of them there are. Of one that
// is there twice the first counts, as with Get. What is found is valid as long
// as the attributes are.
func (f *Finder) Find(a Attributes) int {
	if f.found > 0 {
		clear(f.values)
		f.found = 0
	}
	entryTag := a.tag()
	for raw := a.raw; len(raw) > 0 && f.found < len(f.keys); {
		if size, key := usual(raw, byte(entryTag)); size > 0 {
			if f.some>>min(uint(key-usualKey), maxKey)&1 != 0 {
				f.note(raw[usualKey:key], raw[key+2:size])
			}
			raw = raw[size:]
			continue
		}
		tag, _, entry, size := first(raw)
		if size == 0 {
			break
		}
		if raw = raw[size:]; tag == entryTag {
			f.note(parseKeyValue(entry))
		}
	}
	return f.found
}

// usualKey is where the key begins in an entry of the usual form.
const usualKey = 4

// usual is for entries that are a key and a value, neither of them long, as most
// are: how long the one at the beginning of b is, its tag and length included,
// and where its key ends. The size is zero for others.
func usual(b []byte, tag byte) (size, key int) {
	if len(b) < usualKey+2 || b[0] != tag || b[1] >= 0x80 || b[2] != keyTag || b[3] >= 0x80 {
		return 0, 0
	}
	size, key = 2+int(b[1]), usualKey+int(b[3])
	if size > len(b) || key+2 > size || b[key] != valueTag || key+2+int(b[key+1]) != size {
		return 0, 0
	}
	return size, key
}

// Tags of the fields of a KeyValue, and of the text in an AnyValue.
const (
	keyTag   = 1<<3 | bytesType
	valueTag = 2<<3 | bytesType
	textTag  = 1<<3 | bytesType
)

func (f *Finder) note(key, value []byte) {
	for _, i := range f.lengths[min(len(key), maxKey)] {
		if len(key) > 0 && len(f.keys[i]) > 0 && key[0] != f.keys[i][0] { // As most others of that length.
			continue
		}
		if f.values[i] == nil && string(key) == f.keys[i] {
			if f.values[i] = value; value == nil {
				f.values[i] = noValue
			}
			f.found++
		}
	}
}

// Value is that of the key at a place; it is Empty where the key is not there.
func (f *Finder) Value(key int) Value { return parseValue(f.values[key]) }

// Text is the value of the key at a place where that is a String, not copied,
// else nil.
func (f *Finder) Text(key int) []byte {
	if value := f.values[key]; len(value) > 0 {
		return textOf(value)
	}
	return nil
}

func textOf(value []byte) []byte {
	if len(value) >= 2 && value[0] == textTag && value[1] < 0x80 && int(value[1]) == len(value)-2 { // As most are.
		return value[2:]
	}
	if v := parseValue(value); v.kind == String {
		return v.data
	}
	return nil
}
