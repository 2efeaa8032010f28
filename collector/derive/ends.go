package derive

import "hash/maphash"

// ends finds the slot of the half that waits at an end, by the end's hash. Who
// asks compares the ends themselves. It is a table of open addressing, with a tag
// of a byte for each cell: a search that finds nothing, as most do, touches
// nothing but tags, which stay in the processor's cache where cells and slots do
// not. The hash has a seed, so that nobody can choose ids that collide.
type ends struct {
	seed  maphash.Seed
	tags  []uint8 // by cell; 0: it is free
	cells []cell  // as many as a power of two, a quarter of them free at least
	held  int
}

type cell struct {
	hash uint32
	slot int32 // of the first half there
}

const firstCells = 64

func newEnds() ends {
	return ends{seed: maphash.MakeSeed(), tags: make([]uint8, firstCells), cells: make([]cell, firstCells)}
}

func (e *ends) hash(at end) uint32 {
	var b [len(at.trace) + len(at.span)]byte
	copy(b[copy(b[:], at.trace[:]):], at.span[:])
	return uint32(maphash.Bytes(e.seed, b[:]))
}

// tagOf is of the bits that begin does not look at.
func tagOf(hash uint32) uint8 { return max(uint8(hash>>24), 1) }

// begin is the first cell to look at; after one that is free there are no more.
func (e *ends) begin(hash uint32) int { return int(hash) & (len(e.tags) - 1) }

func (e *ends) next(cell int) int { return (cell + 1) & (len(e.tags) - 1) }

// add notes a slot for an end that has none.
func (e *ends) add(hash uint32, slot int32) {
	if e.held++; e.held > len(e.cells)/4*3 {
		e.grow()
	}
	e.put(cell{hash, slot})
}

func (e *ends) put(made cell) {
	c := e.begin(made.hash)
	for e.tags[c] != 0 {
		c = e.next(c)
	}
	e.tags[c], e.cells[c] = tagOf(made.hash), made
}

func (e *ends) grow() {
	tags, cells := e.tags, e.cells
	e.tags, e.cells = make([]uint8, 2*len(cells)), make([]cell, 2*len(cells))
	for c, tag := range tags {
		if tag != 0 {
			e.put(cells[c])
		}
	}
}

// of is the cell of a slot that is there.
func (e *ends) of(hash uint32, slot int32) int {
	c, tag := e.begin(hash), tagOf(hash)
	for e.tags[c] != tag || e.cells[c].slot != slot {
		c = e.next(c)
	}
	return c
}

// replace notes another slot for an end.
func (e *ends) replace(hash uint32, slot, by int32) { e.cells[e.of(hash, slot)].slot = by }

// remove frees the cell of a slot, and moves those behind it that would no
// longer be found.
func (e *ends) remove(hash uint32, slot int32) {
	e.held--
	gap := e.of(hash, slot)
	for c := e.next(gap); e.tags[c] != 0; c = e.next(c) {
		mask := len(e.tags) - 1
		if (c-e.begin(e.cells[c].hash))&mask >= (c-gap)&mask {
			e.tags[gap], e.cells[gap] = e.tags[c], e.cells[c]
			gap = c
		}
	}
	e.tags[gap] = 0
}
