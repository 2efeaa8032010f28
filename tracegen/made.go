package tracegen

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// made is one trace with its spans laid out in time; times count from the
// root's start.
type made struct {
	traceID  [16]byte
	about    identity
	instance int
	spans    []span
	// end is when the last span ends.
	end time.Duration
}

// span is one operation at its place in time.
type span struct {
	operation  *operation
	id, parent spanID
	// linked has the span point at its parent, which did not wait for it.
	linked     bool
	start, end time.Duration
	eventTimes []time.Duration
}

// place lays out an operation and all that it causes, and says when it ends.
// A span encloses the calls that it waits for.
func (t *made) place(r *rand.Rand, o *operation, parent spanID, start time.Duration) time.Duration {
	at := len(t.spans)
	t.spans = append(t.spans, span{operation: o, parent: parent, start: start})
	var id spanID
	binary.LittleEndian.PutUint64(id[:], r.Uint64()|1)

	gap := o.self.draw(r) / time.Duration(len(o.calls)+1)
	now := start + gap
	var eventTimes []time.Duration
	for i, call := range o.calls {
		now = t.place(r, call, id, now)
		for _, event := range o.events {
			if event.behind == i+1 {
				eventTimes = append(eventTimes, now)
			}
		}
		now += gap
	}
	t.end = max(t.end, now)
	s := &t.spans[at]
	s.id, s.end, s.eventTimes = id, now, eventTimes
	for _, l := range o.later {
		first := len(t.spans)
		t.place(r, l.operation, id, now+l.after.draw(r))
		t.spans[first].linked = true
	}
	return now
}
