package derive

import "hash/maphash"

// ends finds the slot of the half that waits at an end, by the end's hash. Who
// asks compares the ends themselves. It is a table of open addressing: a search
// that finds nothing, as most do, touches nothing but its cells. The hash has a
// seed, so that nobody can choose ids that collide.
type ends struct {
	seed  maphash.Seed
	cells []cell // as many as a power of two, a quarter of them free at least
	held  int
}

// cell is free where first is zero; else first is a slot's number and one more.
type cell struct {
	hash  uint32
	first int32
}

func newEnds() ends { return ends{seed: maphash.MakeSeed(), cells: make([]cell, 64)} }

func (e *ends) hash(at end) uint32 {
	var b [len(at.trace) + len(at.span)]byte
	copy(b[copy(b[:], at.trace[:]):], at.span[:])
	return uint32(maphash.Bytes(e.seed, b[:]))
}

// begin is the first cell to look at; after one that is free there are no more.
func (e *ends) begin(hash uint32) int { return int(hash) & (len(e.cells) - 1) }

func (e *ends) next(cell int) int { return (cell + 1) & (len(e.cells) - 1) }

// add notes a slot for an end that has none.
func (e *ends) add(hash uint32, slot int32) {
	if e.held++; e.held > len(e.cells)/4*3 {
		e.grow()
	}
	e.put(cell{hash, slot + 1})
}

func (e *ends) put(made cell) {
	c := e.begin(made.hash)
	for e.cells[c].first != 0 {
		c = e.next(c)
	}
	e.cells[c] = made
}

func (e *ends) grow() {
	before := e.cells
	e.cells = make([]cell, 2*len(before))
	for _, c := range before {
		if c.first != 0 {
			e.put(c)
		}
	}
}

// of is the cell of a slot that is there.
func (e *ends) of(hash uint32, slot int32) int {
	c := e.begin(hash)
	for e.cells[c].first != slot+1 {
		c = e.next(c)
	}
	return c
}

// replace notes another slot for an end.
func (e *ends) replace(hash uint32, slot, by int32) { e.cells[e.of(hash, slot)].first = by + 1 }

// remove frees the cell of a slot, and moves those behind it that would no
// longer be found.
func (e *ends) remove(hash uint32, slot int32) {
	e.held--
	gap := e.of(hash, slot)
	for c := e.next(gap); e.cells[c].first != 0; c = e.next(c) {
		mask := len(e.cells) - 1
		if (c-e.begin(e.cells[c].hash))&mask >= (c-gap)&mask {
			e.cells[gap] = e.cells[c]
			gap = c
		}
	}
	e.cells[gap] = cell{}
}
