package wire

import "google.golang.org/protobuf/encoding/protowire"

// The functions in this file go through one part of a request each and note
// patches. They return by how many bytes it grows. A length before a changed
// message is a patch too, which is noted before those of the content and gets
// its bytes after them.

// field is where a length-delimited field lies in src.
type field struct {
	num protowire.Number
	// start is where the tag begins, content what the length tells of; end is
	// behind it.
	start, content, end int
}

func (s *scanner) field() field {
	return field{num: s.num, start: s.start, content: s.pos - len(s.data), end: s.pos}
}

// message goes through src[start:end]. It says that what it is the value of is
// to be removed, which happens to an AnyValue only.
func (e *Edits) message(start, end int, m *message, depth int) (delta int, remove bool, err error) {
	if depth > maxDepth {
		return 0, false, malformed(m.name, "nested too deeply")
	}
	first, singles := len(e.patches), 0
	s := scanner{buf: e.src[:end], pos: start}
	for s.next() {
		if s.typ != protowire.BytesType || int(s.num) >= len(m.rules) {
			continue
		}
		r := &m.rules[s.num]
		if r.edit == editNothing {
			continue
		}
		if r.edit == editSingle {
			if singles++; singles > 1 {
				e.patches = e.patches[:first]
				return e.rebuildMessage(start, end, m, depth)
			}
		}
		grows, remove, err := e.field(s.field(), r, depth)
		if remove || err != nil {
			return 0, remove, err
		}
		delta += grows
	}
	if s.broken {
		return 0, false, malformed(m.name, "not a protobuf message")
	}
	return delta, false, nil
}

func (e *Edits) field(f field, r *rule, depth int) (delta int, remove bool, err error) {
	switch r.edit {
	case editInside:
		return e.nested(f, r.message, depth)
	case editEntry:
		delta, err = e.entry(f, depth)
		return delta, false, err
	case editElement:
		if delta, remove, err = e.value(f, depth); remove {
			return e.cut(f), false, nil
		}
		return delta, false, err
	case editSingle:
		if delta, remove, err = e.value(f, depth); remove {
			return e.put(f, len(e.added), len(e.added)), false, nil
		}
		return delta, false, err
	case editName:
		if delta, remove = e.text(f); remove {
			return e.put(f, len(e.added), len(e.added)), false, nil
		}
		return delta, false, nil
	case editContent:
		delta, remove = e.text(f)
		return delta, remove, nil
	default:
		return 0, false, nil
	}
}

// nested goes through a message in a field.
func (e *Edits) nested(f field, m *message, depth int) (delta int, remove bool, err error) {
	at := e.open(f)
	delta, remove, err = e.message(f.content, f.end, m, depth+1)
	if remove || err != nil || len(e.patches) == at+1 {
		e.patches = e.patches[:at]
		return 0, remove, err
	}
	return delta + e.close(at, f.num, f.end-f.content+delta), false, nil
}

// value goes through an AnyValue.
func (e *Edits) value(f field, depth int) (delta int, remove bool, err error) {
	v, plain := plainValue(e.src[f.content:f.end])
	return e.valueOf(f, v, plain, depth)
}

func (e *Edits) valueOf(f field, v Value, plain bool, depth int) (delta int, remove bool, err error) {
	switch {
	case !plain:
		return e.rebuildValue(f, depth)
	case v.kind == Empty, v.kind == Bool, v.kind == Int, v.kind == Double, v.kind == Index:
		return 0, false, nil
	}
	return e.nested(f, schema.anyValue, depth)
}

func (e *Edits) text(f field) (delta int, remove bool) {
	from := len(e.added)
	out, decision := e.editor.Text(e.added, e.keys, e.src[f.content:f.end])
	switch decision {
	case Replace:
		e.added = out
		return e.put(f, from, len(out)), false
	case Remove:
		return 0, true
	default:
		return 0, false
	}
}

// entry goes through a KeyValue.
func (e *Edits) entry(f field, depth int) (int, error) {
	kv, ok := e.keyValue(f)
	if !ok {
		return 0, malformed("KeyValue", "not a protobuf message")
	}
	if kv.keys > 1 || kv.values > 1 {
		return e.rebuildEntry(f, depth)
	}
	v, plain := plainValue(e.src[kv.value.content:kv.value.end])
	from := len(e.added)
	out, decision := e.editor.Entry(e.added, kv.key, v)
	switch {
	case decision == Remove:
		return e.cut(f), nil
	case kv.values == 0 || decision == Leave:
		return 0, nil
	case decision == Replace:
		e.added = out
		at := e.open(f)
		delta := e.putValue(kv.value, from, len(out))
		return delta + e.close(at, f.num, f.end-f.content+delta), nil
	}
	at := e.open(f)
	e.keys = append(e.keys, kv.key)
	delta, remove, err := e.valueOf(kv.value, v, plain, depth+1)
	e.keys = e.keys[:len(e.keys)-1]
	switch {
	case remove:
		e.patches = e.patches[:at]
		return e.cut(f), nil
	case err != nil || len(e.patches) == at+1:
		e.patches = e.patches[:at]
		return 0, err
	}
	return delta + e.close(at, f.num, f.end-f.content+delta), nil
}

// keyValue is what entry has to know of one before it can go through it.
type keyValue struct {
	key          []byte
	value        field // the last
	keys, values int
}

func (e *Edits) keyValue(f field) (kv keyValue, ok bool) {
	s := scanner{buf: e.src[:f.end], pos: f.content}
	for s.next() {
		switch {
		case s.is(1):
			kv.key = s.data
			kv.keys++
		case s.is(2):
			kv.value = s.field()
			kv.values++
		}
	}
	return kv, !s.broken
}

// cut takes a field away.
func (e *Edits) cut(f field) int {
	e.patches = append(e.patches, patch{start: f.start, end: f.end})
	return f.start - f.end
}

// put makes added[from:to] the content of a field.
func (e *Edits) put(f field, from, to int) int {
	at := e.open(f)
	e.patches = append(e.patches, patch{f.content, f.end, from, to})
	return to - from - (f.end - f.content) + e.close(at, f.num, to-from)
}

// putValue makes added[from:to] the text in an AnyValue.
func (e *Edits) putValue(f field, from, to int) int {
	at := e.open(f)
	inner := len(e.added)
	e.added = protowire.AppendTag(e.added, 1, protowire.BytesType)
	e.added = protowire.AppendVarint(e.added, uint64(to-from))
	head := len(e.added) - inner
	e.patches = append(e.patches,
		patch{f.content, f.content, inner, inner + head},
		patch{f.content, f.end, from, to})
	length := head + to - from
	return length - (f.end - f.content) + e.close(at, f.num, length)
}

// open notes the patch of a field's tag and length, and returns where.
func (e *Edits) open(f field) int {
	e.patches = append(e.patches, patch{start: f.start, end: f.content})
	return len(e.patches) - 1
}

// close gives that patch its bytes, now that the new length is known.
func (e *Edits) close(at int, num protowire.Number, length int) int {
	p := &e.patches[at]
	p.from = len(e.added)
	e.added = protowire.AppendTag(e.added, num, protowire.BytesType)
	e.added = protowire.AppendVarint(e.added, uint64(length))
	p.to = len(e.added)
	return p.to - p.from - (p.end - p.start)
}
