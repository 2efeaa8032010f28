package admin

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// refusalLasts is how long a refused request counts against readiness. Senders
// come again within it.
const refusalLasts = 15 * time.Second

// Refusal is that something was not taken: a request by the journal, or a new
// configuration.
type Refusal struct {
	At     time.Time // zero: never
	Reason string
}

// lasts says whether it counts against readiness.
func (r Refusal) lasts(now time.Time) bool { return now.Sub(r.At) < refusalLasts }

// watch follows the journal's readers. It is safe for concurrent use.
type watch struct {
	mu         sync.Mutex
	stallAfter time.Duration // 0: readers are not watched
	readers    map[string]place
	stopping   bool
}

// place is where a reader was seen, and since when it is there with something
// left to read.
type place struct {
	cursor journal.Offset
	since  time.Time
}

// readerState is a reader for people and for readiness.
type readerState struct {
	Name   string
	In     int // which of the journals
	Cursor journal.Offset
	Lag    uint64        // bytes to read
	Still  time.Duration // how long it has not moved although there is something to read
	Since  time.Time     // when that began
}

func newWatch(stallAfter time.Duration) *watch {
	return &watch{stallAfter: stallAfter, readers: map[string]place{}}
}

// look takes in where the readers of the journals are now, and tells about each,
// by name. No two have the same name.
func (w *watch) look(now time.Time, journals ...journal.Stats) []readerState {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.readers
	w.readers = map[string]place{}
	var states []readerState
	for in, stats := range journals {
		for name, cursor := range stats.Cursors {
			seen, known := before[name]
			if !known || seen.cursor != cursor || cursor >= stats.End {
				seen = place{cursor: cursor, since: now}
			}
			w.readers[name] = seen
			states = append(states, readerState{
				Name:   name,
				In:     in,
				Cursor: cursor,
				Lag:    uint64(stats.End - min(cursor, stats.End)),
				Still:  now.Sub(seen.since),
				Since:  seen.since,
			})
		}
	}
	slices.SortFunc(states, func(a, b readerState) int { return cmp.Compare(a.Name, b.Name) })
	return states
}

// reasons are why the collector is not ready, apart from readers that are
// stuck; none means that it is.
func (w *watch) reasons(now time.Time, refused Refusal) []string {
	reasons := []string{}
	w.mu.Lock()
	if w.stopping {
		reasons = append(reasons, "the collector is stopping")
	}
	w.mu.Unlock()
	if refused.lasts(now) {
		reasons = append(reasons, "receivers refuse requests: "+refused.Reason)
	}
	return reasons
}

// stuck are the readers that stand still for too long.
func (w *watch) stuck(states []readerState) (stuck []readerState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range states {
		if w.stallAfter > 0 && r.Still > w.stallAfter {
			stuck = append(stuck, r)
		}
	}
	return stuck
}

func (w *watch) setStallAfter(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stallAfter = d
}

func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopping = true
}
