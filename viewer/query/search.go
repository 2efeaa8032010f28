package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
	"github.com/waybill-dev/waybill/viewer/index"
)

const (
	// batch is how many candidates are confirmed at once, so that a record
	// that several of them share is read once.
	batch = 64
	// maxRead bounds the bytes of the journal that one search reads.
	maxRead = 256 << 20
)

// Search finds the newest traces that fit. Errors: the journal's, ctx's.
func (e *Engine) Search(ctx context.Context, q Query) (Result, error) {
	var result Result
	var cursor index.Cursor
	budget := maxRead
	for done := false; !done && len(result.Traces) < q.Limit; {
		if err := ctx.Err(); err != nil {
			return Result{}, err
		}
		var found []index.Summary
		found, cursor, done = e.Scan(q.Filter, cursor, batch)
		if q.needsSpans(found) {
			last := found[len(found)-1].Start
			var err error
			if found, err = e.confirm(ctx, q, found, &budget); err != nil {
				return Result{}, err
			}
			if budget <= 0 && !done {
				result.Until, done = last, true
			}
		}
		result.Traces = append(result.Traces, found...)
	}
	result.Traces = result.Traces[:min(len(result.Traces), q.Limit)]
	slices.SortStableFunc(result.Traces, func(a, b index.Summary) int { return b.Start.Compare(a.Start) })
	return result, nil
}

// needsSpans says that the index alone cannot decide on the candidates.
func (q Query) needsSpans(candidates []index.Summary) bool {
	if len(candidates) == 0 {
		return false
	}
	timed := q.MinDuration > 0 || q.MaxDuration > 0
	partial := func(s index.Summary) bool { return s.Partial }
	return len(q.Tags) > 0 || (q.ofSpan() && timed) || (q.Operation != "" && q.Errors) ||
		(q.ofSpan() && slices.ContainsFunc(candidates, partial))
}

// ofSpan says that durations and errors are those of a span, not of the trace.
func (q Query) ofSpan() bool { return q.Service != "" || q.Operation != "" }

// confirm keeps the candidates of which one span fits.
func (e *Engine) confirm(ctx context.Context, q Query, candidates []index.Summary, budget *int) ([]index.Summary, error) {
	fits := make(map[index.TraceID]bool, len(candidates))
	var offsets []journal.Offset
	for _, c := range candidates {
		fits[c.ID] = false
		offsets = append(offsets, c.SpanRecords...)
	}
	slices.Sort(offsets)
	for _, off := range slices.Compact(offsets) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		record, err := e.journal.At(off)
		if errors.Is(err, journal.ErrGone) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read record %d: %w", off, err)
		}
		*budget -= len(record.Payload)
		err = wire.WalkSpans(record.Payload, func(r *wire.Resource, sc *wire.Scope, s *wire.Span) error {
			id := index.TraceID(s.TraceID)
			if fit, asked := fits[id]; asked && !fit && q.fits(r, sc, s) {
				fits[id] = true
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("decode record %d: %w", off, err)
		}
	}
	return slices.DeleteFunc(candidates, func(c index.Summary) bool { return !fits[c.ID] }), nil
}

// fits decides on one span.
func (q Query) fits(r *wire.Resource, scope *wire.Scope, s *wire.Span) bool {
	if q.ofSpan() {
		took := time.Duration(max(int64(s.End-s.Start), 0))
		switch {
		case q.Service != "" && q.Service != string(index.ServiceName(r)),
			q.Operation != "" && q.Operation != string(s.Name),
			took < q.MinDuration, q.MaxDuration > 0 && took > q.MaxDuration,
			q.Errors && s.StatusCode != wire.StatusError:
			return false
		}
	}
	for _, tag := range q.Tags {
		if !tag.fits(r, scope, s) {
			return false
		}
	}
	return true
}

// fits looks for the tag where Jaeger would show it. A tag without a value
// asks for the key alone.
func (t Tag) fits(r *wire.Resource, scope *wire.Scope, s *wire.Span) bool {
	if t.among(s.Attributes) || t.among(r.Attributes) {
		return true
	}
	switch t.Key {
	case "error":
		return t.is(strconv.FormatBool(s.StatusCode == wire.StatusError))
	case "span.kind":
		return t.is(index.KindOf(s.Kind).String())
	case "otel.status_code":
		return t.is(map[wire.StatusCode]string{wire.StatusOK: "OK", wire.StatusError: "ERROR"}[s.StatusCode])
	case "otel.status_description":
		return t.is(string(s.StatusMessage))
	case "otel.scope.name":
		return t.is(string(scope.Name))
	case "otel.scope.version":
		return t.is(string(scope.Version))
	}
	for e := range s.Events() {
		if t.among(e.Attributes) || (t.Key == "event" && t.is(string(e.Name))) {
			return true
		}
	}
	return false
}

func (t Tag) among(a wire.Attributes) bool {
	v, ok := a.Get(t.Key)
	return ok && t.is(v.String())
}

func (t Tag) is(value string) bool { return (t.Value == "" && value != "") || t.Value == value }
