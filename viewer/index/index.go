package index

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/viewer/graph"
)

// Limits bounds what an index holds. Where one is reached, the oldest goes.
type Limits struct {
	MaxTraces int
	// MaxBytes bounds the memory of the traces and of the names in them, by
	// estimate.
	MaxBytes int64
	// MaxOpenSpans bounds the spans remembered of traces that still grow, each
	// such trace counted as one more; a span takes about OpenSpanBytes.
	MaxOpenSpans int
	// MaxGraphCells bounds the edges and nodes counted over all minutes.
	MaxGraphCells int
}

// Index is safe for concurrent use.
type Index struct {
	limits Limits

	mu         sync.RWMutex
	names      *names
	entries    map[TraceID]*entry
	order      order
	bytes      int64
	pending    *pending
	graph      *graph.Graph
	spans      uint64
	duplicates uint64
	dropped    uint64
}

// New makes an empty index.
func New(limits Limits) *Index {
	g := graph.New(limits.MaxGraphCells)
	return &Index{
		limits: limits, names: newNames(), entries: map[TraceID]*entry{},
		graph: g, pending: newPending(g, limits.MaxOpenSpans),
	}
}

// Origin is the journal's record that brought something.
type Origin struct {
	Offset journal.Offset
	Time   time.Time
}

// AddSpan takes in one span. Records come in the order of their offsets.
func (x *Index) AddSpan(from Origin, s Span) {
	s.Start, s.End = min(s.Start, math.MaxInt64), min(s.End, math.MaxInt64)
	x.mu.Lock()
	defer x.mu.Unlock()
	op := x.names.hold(s.Service, s.Operation, s.Kind)
	defer x.names.release(op)
	service := x.names.serviceOf(op)
	e := x.entry(s.Trace, from)
	x.change(e, func() {
		e.records.add(from.Offset, false)
		if !x.pending.add(s, x.names.service(service), from.Time) {
			x.duplicates++
			return
		}
		x.spans++
		if e.hold(op) {
			x.names.operations.held[op]++
		}
		if e.count(s, service) && slices.Contains(e.operations, op) {
			e.root = op
		}
		if key := min(e.start, from.Time.UnixNano()); e.spans == 1 || key < e.key {
			x.order.remove(e)
			e.key = key
			x.order.insert(e)
		}
	})
	x.shrink()
}

// AddLog notes that the record has logs of the trace.
func (x *Index) AddLog(from Origin, trace TraceID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.entry(trace, from)
	x.change(e, func() { e.records.add(from.Offset, true) })
	x.shrink()
}

// entry finds or makes the trace's entry.
func (x *Index) entry(id TraceID, from Origin) *entry {
	if e := x.entries[id]; e != nil {
		return e
	}
	e := &entry{id: id, key: from.Time.UnixNano()}
	x.entries[id] = e
	x.order.insert(e)
	x.bytes += e.bytes()
	return e
}

// change keeps count of the bytes while f alters the entry.
func (x *Index) change(e *entry, f func()) {
	before := e.bytes()
	f()
	x.bytes += e.bytes() - before
}

// shrink drops the oldest traces until the bounds hold.
func (x *Index) shrink() {
	for len(x.order) > x.limits.MaxTraces || (x.bytes+x.names.bytes > x.limits.MaxBytes && len(x.order) > 1) {
		x.dropped++
		x.drop(x.order[0])
	}
}

func (x *Index) drop(e *entry) {
	x.order.remove(e)
	x.discard(e)
}

// discard takes the entry out of everything but the order.
func (x *Index) discard(e *entry) {
	x.bytes -= e.bytes()
	delete(x.entries, e.id)
	for _, op := range e.operations {
		x.names.release(op)
	}
}

// Tick lets time pass: traces that have been quiet settle.
func (x *Index) Tick(now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.pending.settle(now)
}

// Forget removes the traces of which the journal holds nothing any more:
// whose last record lies before the oldest.
func (x *Index) Forget(oldest journal.Offset) {
	x.mu.Lock()
	defer x.mu.Unlock()
	kept := x.order[:0]
	for _, e := range x.order {
		if e.records.last < oldest {
			x.dropped++
			x.discard(e)
			continue
		}
		kept = append(kept, e)
	}
	clear(x.order[len(kept):])
	x.order = kept
}

// Stats is a snapshot of what the index holds and has let go.
type Stats struct {
	Traces, OpenSpans int
	Bytes             int64
	Spans             uint64
	// Duplicates counts spans that came twice, Dropped traces that left, by a
	// bound or with their journal records, and Unpaired spans whose parent
	// did not come in time, and Uncounted calls that found no room in the graph.
	Duplicates, Dropped, Unpaired, Uncounted uint64
}

// Stats describes the index.
func (x *Index) Stats() Stats {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return Stats{
		Traces: len(x.order), OpenSpans: x.pending.size,
		Bytes: x.bytes + x.names.bytes + x.graph.Bytes() + int64(x.pending.size)*OpenSpanBytes,
		Spans: x.spans, Duplicates: x.duplicates, Dropped: x.dropped, Unpaired: x.pending.unpaired,
		Uncounted: x.graph.Dropped(),
	}
}
