package index

import (
	"bytes"
	"cmp"
	"slices"
)

// order sorts entries by key, oldest first, and by id where keys are equal.
// Most changes happen near its end, where they are cheap.
type order []*entry

func compare(e *entry, at position) int {
	return cmp.Or(cmp.Compare(e.key, at.key), bytes.Compare(e.id[:], at.id[:]))
}

// position is a place in the order, whether or not an entry is there.
type position struct {
	key int64
	id  TraceID
}

func (e *entry) position() position { return position{e.key, e.id} }

// before counts the entries that come before the position.
func (o order) before(at position) int {
	i, _ := slices.BinarySearchFunc(o, at, compare)
	return i
}

func (o *order) insert(e *entry) { *o = slices.Insert(*o, o.before(e.position()), e) }

func (o *order) remove(e *entry) {
	i := o.before(e.position())
	if i == 0 {
		(*o)[0] = nil
		*o = (*o)[1:]
		return
	}
	*o = slices.Delete(*o, i, i+1)
}
