package index

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/viewer/graph"
)

// TestInvariantsHold drives an index that is far too small with spans of all
// kinds, from clocks of all kinds, and holds its bookkeeping against a recount.
func TestInvariantsHold(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		limits := Limits{MaxTraces: 1 + r.IntN(60), MaxBytes: 1<<20 + r.Int64N(1<<16), MaxOpenSpans: 1 + r.IntN(200), MaxGraphCells: 1 + r.IntN(40)}
		if seed%2 == 0 {
			limits.MaxBytes = 20_000
		}
		x := New(limits)
		now := noon
		for i := range 2000 {
			now = now.Add(time.Duration(r.IntN(200)) * time.Millisecond)
			from := Origin{Offset: journal.Offset(i), Time: now}
			switch r.IntN(20) {
			case 0:
				x.AddLog(from, traceID(r.IntN(100)))
			case 1:
				x.Tick(now)
			case 2:
				x.Forget(journal.Offset(max(0, i-r.IntN(500))))
			default:
				x.AddSpan(from, randomSpan(r, now))
			}
			if i%50 == 0 {
				recount(t, x)
			}
		}
		recount(t, x)
		x.Forget(1 << 40)
		x.Tick(now.Add(time.Hour))
		x.Tick(now.Add(2 * time.Hour))
		if s := x.Stats(); s.Traces != 0 || s.OpenSpans != 0 || x.bytes != 0 || x.names.bytes != 0 || len(x.Services()) != 0 {
			t.Errorf("seed %d: something stays when all is forgotten: %+v, names %v", seed, s, x.Services())
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// randomSpan belongs to one of a hundred traces that nobody keeps apart: ids
// repeat, parents lack or lead in circles, and clocks are off.
func randomSpan(r *rand.Rand, now time.Time) Span {
	start := uint64(now.Add(-time.Duration(r.IntN(3000)) * time.Millisecond).UnixNano())
	switch r.IntN(30) {
	case 0:
		start = 0
	case 1:
		start = 1<<64 - 1
	case 2:
		start = uint64(now.Add(time.Duration(r.IntN(1e6)) * time.Second).UnixNano())
	}
	s := Span{
		Trace: traceID(r.IntN(100)), ID: spanID(1 + r.IntN(30)), Parent: spanID(r.IntN(30)),
		Kind: Kind(r.IntN(6)), Failed: r.IntN(5) == 0,
		Start: start, End: start + uint64(r.IntN(1e9)) - 1e6,
		Service: fmt.Append(nil, "service-", r.IntN(12)), Operation: fmt.Append(nil, "op-", r.IntN(40)),
	}
	if r.IntN(3) == 0 {
		s.Peer, s.PeerType = []byte("database"), graph.Database
	}
	for range r.IntN(3) {
		s.Links = append(s.Links, Link{traceID(r.IntN(100)), spanID(1 + r.IntN(30))})
	}
	return s
}

// recount holds what the index counts along the way against what it has.
func recount(t *testing.T, x *Index) {
	t.Helper()
	var bytes int64
	held := map[operationID]int{}
	for _, e := range x.order {
		bytes += e.bytes()
		if x.entries[e.id] != e {
			t.Errorf("trace %v is in the order, but not in the map", e.id)
		}
		for _, op := range e.operations {
			held[op]++
		}
	}
	sorted := slices.IsSortedFunc(x.order, func(a, b *entry) int { return compare(a, b.position()) })
	if bytes != x.bytes || len(x.order) != len(x.entries) || !sorted {
		t.Errorf("%d bytes counted as %d, %d traces in order of %d, sorted %v", bytes, x.bytes, len(x.order), len(x.entries), sorted)
	}
	if len(x.order) > x.limits.MaxTraces || (len(x.order) > 1 && x.bytes+x.names.bytes > x.limits.MaxBytes) {
		t.Errorf("%d traces and %d bytes exceed %+v", len(x.order), x.bytes+x.names.bytes, x.limits)
	}
	for op, n := range held {
		if x.names.operations.held[op] != n {
			t.Errorf("operation %d is held %d times, counted as %d", op, n, x.names.operations.held[op])
		}
	}
	if len(held) != x.names.operations.len() {
		t.Errorf("%d operations of traces, %d of the index", len(held), x.names.operations.len())
	}
	open := 0
	for _, trace := range x.pending.traces {
		open += 1 + len(trace.spans)
		for _, callees := range trace.waiting {
			open += len(callees)
		}
	}
	if open != x.pending.size || open > x.limits.MaxOpenSpans {
		t.Errorf("%d open spans, counted as %d, with %+v", open, x.pending.size, x.limits)
	}
	if lists := x.pending.fresh.Len() + x.pending.settled.Len(); lists != len(x.pending.traces) {
		t.Errorf("%d growing traces in lists, %d in the map", lists, len(x.pending.traces))
	}
}
