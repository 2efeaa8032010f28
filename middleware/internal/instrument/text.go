package instrument

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Texts remembers the texts that are made of keys, such as the names of spans,
// up to a bound. It is safe for concurrent use; what is remembered costs
// neither a lock nor memory.
type Texts[K comparable] struct {
	make   func(K) string
	known  atomic.Pointer[map[K]string]
	adding sync.Mutex
}

// NewTexts remembers what text makes, which depends on the key alone.
func NewTexts[K comparable](text func(K) string) *Texts[K] {
	t := &Texts[K]{make: text}
	t.known.Store(&map[K]string{})
	return t
}

// Of is the text of that key.
func (t *Texts[K]) Of(key K) string {
	if text, known := (*t.known.Load())[key]; known {
		return text
	}
	text := t.make(key)
	t.adding.Lock()
	defer t.adding.Unlock()
	if known := *t.known.Load(); len(known) < maxSeries {
		next := maps.Clone(known)
		next[key] = text
		t.known.Store(&next)
	}
	return text
}
