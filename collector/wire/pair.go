package wire

import "encoding/binary"

// By far the most of what is received are attributes, and nearly all of these
// are a KeyValue of nothing but a short key and a short text, or a number:
//
//	0x0a length key 0x12 length { 0x0a length text }
//	0x0a length key 0x12 length { 0x10 or 0x18 varint }
//
// They come in a row. Their form is looked at one by one, and whether their
// texts are ASCII, and so UTF-8, for as many at once as there is no number between.

// pairs checks the entries at the beginning of b, of which the first, that has
// the rule r in m, is known to be short, and returns how many bytes it has checked.
func (c *checker) pairs(b []byte, r *rule, m *message, depth int) (int, error) {
	clean := 0 // What is before has been checked, or is known to need no check.
	pos := 0
	for {
		size, number := plain(b[pos:], b[0])
		if size == 0 {
			break
		}
		if number > 0 { // Its bytes need not be ASCII.
			if err := c.texts(b[clean:pos+number], b[clean:pos+size], r, m, depth); err != nil {
				return 0, err
			}
			clean = pos + size
		}
		pos += size
	}
	if err := c.texts(b[clean:pos], b[clean:pos], r, m, depth); err != nil {
		return 0, err
	}
	if pos > 0 {
		return pos, nil
	}
	size := 2 + int(b[1])
	return size, c.obey(r, b[2:size], m, depth)
}

// texts checks the entries in b, all of them plain. There is nothing to do where
// what is in head is ASCII.
func (c *checker) texts(head, b []byte, r *rule, m *message, depth int) error {
	if ascii(head) {
		return nil
	}
	for len(b) > 0 {
		size := 2 + int(b[1])
		if err := c.obey(r, b[2:size], m, depth); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// plain is the length of the field at the beginning of b if it has that tag and is a
// plain entry, else zero. Where the value is a number, that begins at number.
func plain(b []byte, tag byte) (size, number int) {
	if len(b) < 8 {
		return 0, 0
	}
	head := binary.LittleEndian.Uint32(b) // tag and length, tag and length of the key
	if head&0x00ff80ff != 0x000a0000|uint32(tag) {
		return 0, 0
	}
	size = 2 + int(head>>8&0x7f)
	at := 4 + int(head>>24)
	if size > len(b) || at+4 > size {
		return 0, 0
	}
	value := binary.LittleEndian.Uint32(b[at:]) // tag and length, tag and length or number
	if value&0xffff != 0x12|uint32(size-at-2)<<8 {
		return 0, 0
	}
	switch value >> 16 & 0xff {
	case 0x0a:
		if int(value>>24) == size-at-4 {
			return size, 0
		}
	case 0x10, 0x18:
		if isVarint(b[at+3 : size]) {
			return size, at + 3
		}
	}
	return 0, 0
}

// isVarint says whether b, which is not empty, is a single varint. Of ten bytes,
// which negative numbers have, it says no.
func isVarint(b []byte) bool {
	last := len(b) - 1
	for _, c := range b[:last] {
		if c < 0x80 {
			return false
		}
	}
	return b[last] < 0x80 && last < 9
}

// ascii says that no byte has its highest bit set.
func ascii(b []byte) bool {
	const high = 0x8080808080808080
	le := binary.LittleEndian
	for ; len(b) >= 32; b = b[32:] {
		if (le.Uint64(b)|le.Uint64(b[8:])|le.Uint64(b[16:])|le.Uint64(b[24:]))&high != 0 {
			return false
		}
	}
	words := uint64(0)
	for ; len(b) >= 8; b = b[8:] {
		words |= le.Uint64(b)
	}
	for _, c := range b {
		words |= uint64(c)
	}
	return words&high == 0
}
