package index

// table gives small numbers to keys, and uses the numbers of removed keys
// again. Who holds a number counts in held.
type table[K comparable, ID ~uint32] struct {
	ids  map[K]ID
	keys []K
	held []int
	free []ID
}

func newTable[K comparable, ID ~uint32]() table[K, ID] {
	return table[K, ID]{ids: map[K]ID{}}
}

func (t *table[K, ID]) len() int { return len(t.ids) }

func (t *table[K, ID]) find(key K) (ID, bool) {
	id, ok := t.ids[key]
	return id, ok
}

// intern finds the key or adds it, held by nobody yet.
func (t *table[K, ID]) intern(key K) ID {
	if id, ok := t.ids[key]; ok {
		return id
	}
	var id ID
	if last := len(t.free) - 1; last >= 0 {
		id, t.free = t.free[last], t.free[:last]
		t.keys[id], t.held[id] = key, 0
	} else {
		id = ID(len(t.keys))
		t.keys, t.held = append(t.keys, key), append(t.held, 0)
	}
	t.ids[key] = id
	return id
}

func (t *table[K, ID]) remove(id ID) {
	var zero K
	delete(t.ids, t.keys[id])
	t.keys[id] = zero
	t.free = append(t.free, id)
}
