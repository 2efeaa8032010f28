package wire

import "google.golang.org/protobuf/encoding/protowire"

// What proto3 allows and nobody sends: a field of a oneof, a key or a body that
// occurs more than once. It is put in the form with one of each, which is then
// gone through instead.

// plainValue is what an AnyValue means, and whether it has no more than the one
// value.
func plainValue(raw []byte) (Value, bool) {
	s := scanner{buf: raw}
	if s.next() && s.pos == len(raw) && s.typ == protowire.BytesType && s.num == protowire.Number(String) {
		return Value{kind: String, data: s.data}, true // Most are texts, and nothing else.
	}
	values := 0
	for s = (scanner{buf: raw}); s.next(); {
		if s.isValue() {
			values++
		}
	}
	return parseValue(raw), values <= 1
}

// isValue says whether the field is one of AnyValue's oneof.
func (s *scanner) isValue() bool {
	switch s.typ {
	case protowire.BytesType:
		return s.num == 1 || s.num >= 5 && s.num <= 7
	case protowire.VarintType:
		return s.num == 2 || s.num == 3 || s.num == 8
	case protowire.Fixed64Type:
		return s.num == 4
	default:
		return false
	}
}

// oneValue writes an AnyValue with the value that counts, and with the fields
// that are unknown. The numbers of kinds are those of the fields.
func oneValue(raw []byte) []byte {
	var out []byte
	for s := (scanner{buf: raw}); s.next(); {
		if !s.isValue() {
			out = append(out, raw[s.start:s.pos]...)
		}
	}
	v := parseValue(raw)
	switch v.kind {
	case Bool, Int, Index:
		out = protowire.AppendTag(out, protowire.Number(v.kind), protowire.VarintType)
		out = protowire.AppendVarint(out, v.scalar)
	case Double:
		out = protowire.AppendTag(out, 4, protowire.Fixed64Type)
		out = protowire.AppendFixed64(out, v.scalar)
	case String, Array, Map, Bytes:
		out = appendField(out, protowire.Number(v.kind), v.data)
	}
	return out
}

func appendField(dst []byte, num protowire.Number, content []byte) []byte {
	dst = protowire.AppendTag(dst, num, protowire.BytesType)
	return protowire.AppendBytes(dst, content)
}

// rebuild replaces src[start:end] by what through makes of it in edits of its own.
func (e *Edits) rebuild(start, end int, through func(in *Edits) (remove bool, err error)) (delta int, remove bool, err error) {
	if e.inner == nil {
		e.inner = &Edits{}
	}
	e.inner.reset(nil, e.editor)
	e.inner.keys = append(e.inner.keys, e.keys...)
	if remove, err = through(e.inner); remove || err != nil {
		return 0, remove, err
	}
	from := len(e.added)
	e.added = e.inner.AppendTo(e.added)
	e.patches = append(e.patches, patch{start, end, from, len(e.added)})
	return len(e.added) - from - (end - start), false, nil
}

// build makes src of one field.
func (e *Edits) build(num protowire.Number, content []byte) field {
	e.src = appendField(nil, num, content)
	return field{num: num, content: len(e.src) - len(content), end: len(e.src)}
}

func (e *Edits) rebuildValue(f field, depth int) (delta int, remove bool, err error) {
	return e.rebuild(f.start, f.end, func(in *Edits) (remove bool, err error) {
		_, remove, err = in.value(in.build(f.num, oneValue(e.src[f.content:f.end])), depth)
		return remove, err
	})
}

func (e *Edits) rebuildEntry(f field, depth int) (int, error) {
	var content, key, value []byte
	valued := false
	for s := (scanner{buf: e.src[:f.end], pos: f.content}); s.next(); {
		switch {
		case s.is(1):
			key = s.data
		case s.is(2):
			value, valued = merge(value, s.data), true
		default:
			content = append(content, s.buf[s.start:s.pos]...)
		}
	}
	content = appendField(content, 1, key)
	if valued {
		content = appendField(content, 2, oneValue(value))
	}
	delta, _, err := e.rebuild(f.start, f.end, func(in *Edits) (bool, error) {
		_, err := in.entry(in.build(f.num, content), depth)
		return false, err
	})
	return delta, err
}

// rebuildMessage merges the single AnyValue of src[start:end], the body of a
// log record.
func (e *Edits) rebuildMessage(start, end int, m *message, depth int) (delta int, remove bool, err error) {
	var content, value []byte
	var num protowire.Number
	s := scanner{buf: e.src[:end], pos: start}
	for s.next() {
		if int(s.num) < len(m.rules) && m.rules[s.num].edit == editSingle && s.typ == protowire.BytesType {
			num, value = s.num, merge(value, s.data)
			continue
		}
		content = append(content, s.buf[s.start:s.pos]...)
	}
	if s.broken {
		return 0, false, malformed(m.name, "not a protobuf message")
	}
	return e.rebuild(start, end, func(in *Edits) (remove bool, err error) {
		in.src = appendField(content, num, oneValue(value))
		_, remove, err = in.message(0, len(in.src), m, depth)
		return remove, err
	})
}
