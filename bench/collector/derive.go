package main

import (
	"context"
	"fmt"
	"time"
)

// flushEvery is how often the rival sends its metrics, as often as ours might be
// scraped. What it sends first of a series is a zero.
const flushEvery = 5 * time.Second

// derived says how what was derived differs from what the load sent.
type derived struct {
	series  int    // of calls
	wrong   int    // of those
	by      uint64 // spans
	edges   int    // of the service graph, with a span at both ends
	crooked int    // of those
}

func (d derived) String() string {
	return fmt.Sprintf("%d of %d series wrong, by %d spans; %d of %d edges", d.wrong, d.series, d.by, d.crooked, d.edges)
}

// derived waits until the counts are right, or have had the time to be.
func (st *stage) derived(ctx context.Context) (d derived, err error) {
	calls, edges, err := st.ledger.expected(st.bench.work)
	if err != nil {
		return d, err
	}
	for began := time.Now(); time.Since(began) < 2*flushEvery+patience && ctx.Err() == nil; sleep(ctx, 50*time.Millisecond) {
		gotCalls, gotEdges, err := st.subject.counts(ctx, st)
		if err != nil {
			return d, err
		}
		d = derived{series: len(calls)}
		d.wrong, d.by = calls.differ(gotCalls)
		if gotEdges != nil && st.subject.graph {
			d.edges = len(edges)
			d.crooked, _ = edges.differ(gotEdges.of(edges))
		}
		if d.wrong == 0 && d.crooked == 0 {
			break
		}
	}
	return d, ctx.Err()
}
