package sample

import (
	"encoding/binary"
	"time"
	"unsafe"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
)

// trace is what is known of one that waits to be decided.
type trace struct {
	id         wire.TraceID
	prev, next *trace // by when their first spans came
	first      time.Time
	rooted     time.Time        // when the root came; zero: it has not
	decided    bool             // for those that still stand among the rooted
	offsets    []journal.Offset // of the records with spans of it, ascending

	service    uint32 // the root's, or the first span's
	start, end uint64 // of the earliest and the latest span, in nanoseconds since 1970
	spans      int
	bytes      int64
	statuses   uint8  // a bit for each status that a span has
	marks      uint64 // a bit for each trait that a span has
	random     uint64 // 56 bits
	explicit   bool   // they are of a tracestate
	threshold  uint64 // of head sampling

	portions []portion // what of it is which service's; of a trial only
}

// portion is a service's part of a trace.
type portion struct {
	service uint32
	spans   int
	bytes   int64
}

// traceBytes is what a trace takes beside its offsets: itself, and its places
// in the map and among the rooted.
const traceBytes = int64(unsafe.Sizeof(trace{})) + 64

// entryBytes is the size of an offset.
const entryBytes = int64(unsafe.Sizeof(journal.Offset(0)))

// duration is that from the first span's start to the last one's end, in
// nanoseconds; zero where clocks say that it ended before it began.
func (t *trace) duration() uint64 {
	if t.end <= t.start {
		return 0
	}
	return t.end - t.start
}

// sample takes in the threshold of a span: the root's counts, and before it has
// come the lowest.
func (t *trace) sample(threshold uint64, root bool) {
	switch {
	case !t.rooted.IsZero():
	case root:
		t.threshold = threshold
	default:
		t.threshold = min(t.threshold, threshold)
	}
}

// add takes in a span, and says by how many bytes the trace grew.
func (t *trace) add(at journal.Offset, s *wire.Span, service uint32, marks uint64) (grew int64) {
	if n := len(t.offsets); n == 0 || t.offsets[n-1] != at {
		before := cap(t.offsets)
		t.offsets = append(t.offsets, at)
		grew = int64(cap(t.offsets)-before) * entryBytes
	}
	if t.spans == 0 || s.ParentID == (wire.SpanID{}) {
		t.service = service
	}
	if s.Start != 0 && (t.start == 0 || s.Start < t.start) {
		t.start = s.Start
	}
	t.end = max(t.end, s.End)
	t.spans++
	t.bytes += int64(len(s.Raw))
	if s.StatusCode >= wire.StatusUnset && s.StatusCode <= wire.StatusError {
		t.statuses |= 1 << s.StatusCode
	}
	t.marks |= marks
	return grew
}

// share notes whose the span is.
func (t *trace) share(service uint32, bytes int64) {
	for i := range t.portions {
		if p := &t.portions[i]; p.service == service {
			p.spans++
			p.bytes += bytes
			return
		}
	}
	t.portions = append(t.portions, portion{service: service, spans: 1, bytes: bytes})
}

// randomOf is the randomness that every sampler sees in a span: what its
// tracestate gives explicitly, or the lowest 56 bits of its trace's id.
func randomOf(s *wire.Span) (value uint64, explicit bool) {
	if random, ok := hexadecimal(field(s.TraceState, "rv")); ok && random.digits == maxDigits {
		return random.value, true
	}
	return binary.BigEndian.Uint64(s.TraceID[8:]) & (randomness - 1), false
}

// learn takes in the randomness of a span that has it explicitly. The first that
// has it speaks for the trace: what others lack was lost on the way to them.
func (t *trace) learn(s *wire.Span) {
	if t.explicit || len(s.TraceState) == 0 {
		return
	}
	if random, explicit := randomOf(s); explicit {
		t.random, t.explicit = random, true
	}
}

// list is of traces, the oldest first.
type list struct{ oldest, newest *trace }

func (l *list) push(t *trace) {
	t.prev, t.next = l.newest, nil
	if l.newest == nil {
		l.oldest = t
	} else {
		l.newest.next = t
	}
	l.newest = t
}

func (l *list) remove(t *trace) {
	if t.prev == nil {
		l.oldest = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		l.newest = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.prev, t.next = nil, nil
}
