// Package query answers what pages and API ask: it narrows down by the index
// and reads the journal where the index alone cannot tell.
package query

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/trace"
)

// ErrNotFound says that the index does not know the trace, or that the journal
// holds nothing of it any more.
var ErrNotFound = errors.New("trace not found")

// Engine is safe for concurrent use.
type Engine struct {
	*index.Index
	journal  journal.Journal
	progress atomic.Pointer[Progress]
}

// New makes an engine of an index and the journal that it indexes.
func New(x *index.Index, j journal.Journal) *Engine { return &Engine{Index: x, journal: j} }

// Query asks for traces. With a service or an operation, one span must fit
// them, the tags, the durations and Errors all together. Otherwise durations
// and Errors are those of the whole trace, and one span must have all tags.
type Query struct {
	index.Filter
	// Tags must equal attributes of the span, its resource or one of its
	// events; values are compared as text.
	Tags []Tag
	// Limit is how many traces are wanted at most.
	Limit int
}

// Tag is one attribute asked for.
type Tag struct{ Key, Value string }

// Result is what a search found, newest first.
type Result struct {
	Traces []index.Summary
	// Until is set when the search gave up before it had seen all: it looked
	// back to then.
	Until time.Time
}

// Load reads traces back from the journal, in the order of the summaries.
// Traces of which nothing is left are not among them.
func (e *Engine) Load(ctx context.Context, summaries []index.Summary) ([]*trace.Trace, error) {
	return trace.Read(ctx, e.journal, summaries)
}

// Open reads one trace back. It may have logs but no spans. Errors:
// ErrNotFound, the journal's, ctx's.
func (e *Engine) Open(ctx context.Context, id index.TraceID) (*trace.Trace, error) {
	summary, ok := e.Trace(id)
	if !ok {
		return nil, ErrNotFound
	}
	traces, err := e.Load(ctx, []index.Summary{summary})
	if err != nil {
		return nil, err
	}
	if t := traces[0]; len(t.Spans)+len(t.Logs) > 0 {
		return t, nil
	}
	return nil, ErrNotFound
}
