package receive

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// OTLP's JSON departs from protobuf's in one thing: trace and span ids are hex
// of either case, not base64. rewriteIDs turns the one into the other, in one
// pass over the text, and leaves the rest to a library.

var errJSON = errors.New("malformed JSON")

// rewriter copies JSON and changes ids on the way. It checks no more of the
// syntax than it needs to find its way: the decoder after it checks all.
type rewriter struct {
	src []byte
	pos int
	dst []byte
	// copied is how much of src is in dst.
	copied int
	raw    []byte // the last id
}

// rewriteIDs returns the text with its ids in base64. The text is not changed.
func rewriteIDs(text []byte, schema *idSchema) ([]byte, error) {
	r := rewriter{src: text, dst: make([]byte, 0, len(text))}
	if err := r.value(schema); err != nil {
		return nil, err
	}
	return append(r.dst, r.src[r.copied:]...), nil
}

func (r *rewriter) fail(reason string) error {
	return fmt.Errorf("%w: %s at byte %d", errJSON, reason, r.pos)
}

// peek skips white space and returns the byte after it, or 0 at the end.
func (r *rewriter) peek() byte {
	for ; r.pos < len(r.src); r.pos++ {
		switch c := r.src[r.pos]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// value passes one value. It recurses only where the schema does, so the text
// cannot make it go deep.
func (r *rewriter) value(schema *idSchema) error {
	switch c := r.peek(); {
	case schema != nil && c == '{':
		return r.object(schema)
	case schema != nil && c == '[':
		return r.array(schema)
	}
	return r.skip()
}

func (r *rewriter) object(schema *idSchema) error {
	r.pos++
	if r.peek() == '}' {
		r.pos++
		return nil
	}
	for {
		name, err := r.text()
		if err != nil {
			return err
		}
		if r.peek() != ':' {
			return r.fail("a name without a value")
		}
		r.pos++
		if schema.isID(name) && r.peek() == '"' {
			err = r.id()
		} else {
			err = r.value(schema.inside(name))
		}
		if err != nil {
			return err
		}
		if more, err := r.more('}'); err != nil || !more {
			return err
		}
	}
}

// array passes the elements; arrays among them are no part of OTLP.
func (r *rewriter) array(schema *idSchema) error {
	r.pos++
	if r.peek() == ']' {
		r.pos++
		return nil
	}
	for {
		var err error
		if r.peek() == '{' {
			err = r.object(schema)
		} else {
			err = r.skip()
		}
		if err != nil {
			return err
		}
		if more, err := r.more(']'); err != nil || !more {
			return err
		}
	}
}

// more passes the comma between two elements, or the end after the last.
func (r *rewriter) more(end byte) (bool, error) {
	switch r.peek() {
	case ',':
		r.pos++
		return true, nil
	case end:
		r.pos++
		return false, nil
	}
	return false, r.fail("no comma and no end")
}

// id passes a string and writes it anew.
func (r *rewriter) id() error {
	start := r.pos
	text, err := r.text()
	if err != nil {
		return err
	}
	raw, err := hex.AppendDecode(r.raw[:0], text)
	if err != nil {
		r.pos = start
		return r.fail("an id that is not hex")
	}
	r.dst = append(r.dst, r.src[r.copied:start]...)
	r.dst = append(r.dst, '"')
	r.dst = base64.StdEncoding.AppendEncode(r.dst, raw)
	r.dst = append(r.dst, '"')
	r.copied, r.raw = r.pos, raw
	return nil
}

// text passes a string and returns what it means, until the source changes.
func (r *rewriter) text() ([]byte, error) {
	if r.peek() != '"' {
		return nil, r.fail("no string where one must be")
	}
	start := r.pos
	escaped, err := r.skipString()
	if err != nil {
		return nil, err
	}
	if !escaped {
		return r.src[start+1 : r.pos-1], nil
	}
	var text string
	if err := json.Unmarshal(r.src[start:r.pos], &text); err != nil {
		return nil, r.fail("a string with a bad escape")
	}
	return []byte(text), nil
}

// skipString passes a string and says whether it has escapes.
func (r *rewriter) skipString() (escaped bool, err error) {
	for r.pos++; r.pos < len(r.src); r.pos++ {
		switch r.src[r.pos] {
		case '\\':
			escaped = true
			r.pos++
		case '"':
			r.pos++
			return escaped, nil
		}
	}
	return false, r.fail("a string without an end")
}

// skip passes a value without looking for ids, however deep it is.
func (r *rewriter) skip() error {
	depth := 0
	for {
		switch r.peek() {
		case 0:
			return r.fail("the text ends too early")
		case '"':
			if _, err := r.skipString(); err != nil {
				return err
			}
		case '{', '[':
			depth++
			r.pos++
		case '}', ']':
			depth--
			r.pos++
		case ',', ':':
			if depth == 0 {
				return r.fail("no value where one must be")
			}
			r.pos++
		default:
			r.skipLiteral()
		}
		if depth < 0 {
			return r.fail("an end without a beginning")
		}
		if depth == 0 {
			return nil
		}
	}
}

// skipLiteral passes a number, true, false or null.
func (r *rewriter) skipLiteral() {
	for r.pos++; r.pos < len(r.src); r.pos++ {
		switch r.src[r.pos] {
		case ' ', '\t', '\r', '\n', ',', ':', '{', '}', '[', ']', '"':
			return
		}
	}
}
