package trace

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
	"github.com/waybill-dev/waybill/viewer/index"
)

// What one Read takes into memory at most.
const (
	maxSpans = 200_000
	maxLogs  = 20_000
)

// Read reads traces back from the journal, each record once, and returns them
// in the order of the summaries. Records that are gone are counted. Errors:
// the journal's other than ErrGone, wire.ErrMalformed, ctx's.
func Read(ctx context.Context, j journal.Journal, summaries []index.Summary) ([]*Trace, error) {
	r := reader{traces: make(map[index.TraceID]*Trace, len(summaries))}
	list := make([]*Trace, 0, len(summaries))
	holders := map[journal.Offset][]*Trace{}
	for _, s := range summaries {
		t := &Trace{ID: s.ID}
		list = append(list, t)
		r.traces[s.ID] = t
		for _, off := range slices.Concat(s.SpanRecords, s.LogRecords) {
			holders[off] = append(holders[off], t)
		}
	}
	offsets := make([]journal.Offset, 0, len(holders))
	for off := range holders {
		offsets = append(offsets, off)
	}
	slices.Sort(offsets)
	for _, off := range offsets {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		record, err := j.At(off)
		if errors.Is(err, journal.ErrGone) {
			for _, t := range holders[off] {
				t.Gone++
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read record %d: %w", off, err)
		}
		if err := r.take(record); err != nil {
			return nil, fmt.Errorf("decode record %d: %w", off, err)
		}
	}
	for _, t := range list {
		t.tidy()
	}
	return list, nil
}

// reader copies what belongs to the wanted traces out of records.
type reader struct {
	traces      map[index.TraceID]*Trace
	spans, logs int
}

func (r *reader) take(record journal.Record) error {
	resources := map[string]*Resource{}
	scopes := map[string]*Scope{}
	switch record.Signal {
	case journal.Traces:
		return wire.WalkSpans(record.Payload, func(res *wire.Resource, scope *wire.Scope, s *wire.Span) error {
			t := r.traces[index.TraceID(s.TraceID)]
			if t == nil {
				return nil
			}
			if r.spans++; r.spans > maxSpans {
				t.Cut++
				return nil
			}
			span := copySpan(s)
			span.Resource, span.Scope = copyResource(resources, res), copyScope(scopes, scope)
			t.Spans = append(t.Spans, span)
			return nil
		})
	case journal.Logs:
		return wire.WalkLogs(record.Payload, func(res *wire.Resource, _ *wire.Scope, l *wire.LogRecord) error {
			t := r.traces[index.TraceID(l.TraceID)]
			if t == nil {
				return nil
			}
			if r.logs++; r.logs > maxLogs {
				t.Cut++
				return nil
			}
			entry := copyLog(l)
			entry.Resource = copyResource(resources, res)
			t.Logs = append(t.Logs, entry)
			return nil
		})
	}
	return nil
}

func copyResource(known map[string]*Resource, r *wire.Resource) *Resource {
	if found := known[string(r.Raw)]; found != nil {
		return found
	}
	made := &Resource{Service: string(index.ServiceName(r)), Attributes: copyAttributes(r.Attributes)}
	known[string(r.Raw)] = made
	return made
}

func copyScope(known map[string]*Scope, s *wire.Scope) *Scope {
	key := string(s.Name) + "\x00" + string(s.Version)
	if found := known[key]; found != nil && s.Attributes.Len() == 0 {
		return found
	}
	made := &Scope{Name: string(s.Name), Version: string(s.Version), Attributes: copyAttributes(s.Attributes)}
	known[key] = made
	return made
}

func copySpan(s *wire.Span) *Span {
	out := &Span{
		ID: index.SpanID(s.SpanID), Parent: index.SpanID(s.ParentID),
		Name: string(s.Name), State: string(s.TraceState), Kind: index.KindOf(s.Kind),
		Start: unix(s.Start), End: unix(s.End), Attributes: copyAttributes(s.Attributes),
		Status: Status(s.StatusCode), Message: string(s.StatusMessage),
		DroppedAttributes: s.DroppedAttributes, DroppedEvents: s.DroppedEvents, DroppedLinks: s.DroppedLinks,
	}
	for e := range s.Events() {
		out.Events = append(out.Events, Event{unix(e.Time), string(e.Name), copyAttributes(e.Attributes)})
	}
	for l := range s.Links() {
		out.Links = append(out.Links, Link{index.TraceID(l.TraceID), index.SpanID(l.SpanID), copyAttributes(l.Attributes)})
	}
	return out
}

func copyLog(l *wire.LogRecord) Log {
	at := l.Time
	if at == 0 {
		at = l.ObservedTime
	}
	body := l.Body.String()
	if body == "" {
		body = string(l.EventName)
	}
	return Log{
		Time: unix(at), Severity: l.Severity, SeverityText: string(l.SeverityText), Body: body,
		Attributes: copyAttributes(l.Attributes), Span: index.SpanID(l.SpanID),
	}
}

func copyAttributes(a wire.Attributes) []Attribute {
	var out []Attribute
	for key, value := range a.All() {
		out = append(out, Attribute{string(key), copyValue(value)})
	}
	return out
}

func copyValue(v wire.Value) Value {
	switch v.Kind() {
	case wire.Bool:
		if v.Bool() {
			return Value{Type: Bool, Int: 1}
		}
		return Value{Type: Bool}
	case wire.Int:
		return Value{Type: Int, Int: v.Int()}
	case wire.Double:
		return Value{Type: Float, Float: v.Double()}
	case wire.Bytes:
		return Value{Type: Bytes, Str: string(v.Bytes())}
	}
	return Text(v.String())
}

// unix converts nanoseconds of Unix time; what is beyond the year 2262 ends there.
func unix(nanos uint64) time.Time { return time.Unix(0, int64(min(nanos, math.MaxInt64))) }
