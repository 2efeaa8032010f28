package index

import (
	"container/list"
	"time"

	"github.com/waybill-dev/waybill/viewer/graph"
)

const (
	// loneAfter is how long a trace must be quiet before its client spans
	// without a server's span are taken to call something that sends none.
	loneAfter = 10 * time.Second
	// forgetAfter is how long a quiet trace is remembered span by span. A
	// duplicate that comes later is counted again, and a caller and a callee
	// that come further apart are not paired; the trace's page shows both right.
	forgetAfter = 90 * time.Second
)

// OpenSpanBytes is about what the index holds for each of Limits.MaxOpenSpans.
const OpenSpanBytes = 320

// pending holds the spans of traces that still grow. It recognizes duplicates
// and pairs callers with callees into the graph.
type pending struct {
	graph    *graph.Graph
	traces   map[TraceID]*openTrace
	fresh    *list.List // of *openTrace, longest quiet first
	settled  *list.List // the same, after loneAfter
	size     int
	maxSize  int
	unpaired uint64
}

// openTrace is one such trace.
type openTrace struct {
	id      TraceID
	spans   map[SpanID]*openSpan
	waiting map[SpanID][]*openSpan // by a span that has not come: its children, and its consumers by link
	touched time.Time
	in      *list.List
	place   *list.Element
}

// openSpan is what pairing needs of a span.
type openSpan struct {
	service  string
	peer     string
	peerType graph.Type
	kind     Kind
	failed   bool
	answered bool
	start    time.Time
	took     time.Duration
}

func newPending(g *graph.Graph, maxSpans int) *pending {
	return &pending{
		graph: g, traces: map[TraceID]*openTrace{}, maxSize: maxSpans,
		fresh: list.New(), settled: list.New(),
	}
}

// add takes in one span and says whether it is new.
func (p *pending) add(s Span, service string, now time.Time) bool {
	t := p.touch(s.Trace, now)
	if _, known := t.spans[s.ID]; known {
		return false
	}
	span := &openSpan{
		service: service, kind: s.Kind, failed: s.Failed,
		start: time.Unix(0, int64(s.Start)), took: time.Duration(max(int64(s.End)-int64(s.Start), 0)),
	}
	if span.start.After(now) {
		span.start = now // a clock gone wrong must not fill the graph with minutes to come
	}
	if s.Kind == Client || s.Kind == Producer {
		span.peer, span.peerType = clip(s.Peer), s.PeerType
	}
	t.spans[s.ID] = span
	p.size++
	root := s.Parent == SpanID{}
	if root || s.Kind == Server || s.Kind == Consumer {
		p.graph.Count(graph.Key{To: service}, span.start, span.took, span.failed)
	}
	for _, callee := range t.waiting[s.ID] {
		p.pair(span, callee)
		p.size--
	}
	delete(t.waiting, s.ID)
	if !root {
		p.meet(t, s.Parent, span)
	}
	if s.Kind == Consumer {
		for _, l := range s.Links {
			if l != (Link{s.Trace, s.Parent}) {
				p.meet(p.touch(l.Trace, now), l.Span, span)
			}
		}
	}
	p.shrink()
	return true
}

// meet pairs the callee with its caller, now or when the caller comes.
func (p *pending) meet(t *openTrace, caller SpanID, callee *openSpan) {
	if span := t.spans[caller]; span != nil {
		p.pair(span, callee)
		return
	}
	t.waiting[caller] = append(t.waiting[caller], callee)
	p.size++
}

// pair counts the edge between two spans, unless they are of one service.
func (p *pending) pair(caller, callee *openSpan) {
	if callee.kind == Server || callee.kind == Consumer {
		caller.answered = true
	}
	if caller.service == callee.service {
		return
	}
	caller.answered = true
	edge := graph.Key{From: caller.service, To: callee.service, Type: graph.Call}
	failed := callee.failed || caller.failed
	if caller.kind == Producer || callee.kind == Consumer {
		edge.Type = graph.Message
		failed = callee.failed
	}
	p.graph.Count(edge, callee.start, callee.took, failed)
}

// touch finds or opens the trace and makes it the one that was heard of last.
func (p *pending) touch(id TraceID, now time.Time) *openTrace {
	t := p.traces[id]
	switch {
	case t == nil:
		t = &openTrace{id: id, spans: map[SpanID]*openSpan{}, waiting: map[SpanID][]*openSpan{}}
		p.traces[id] = t
		p.size++
		t.in, t.place = p.fresh, p.fresh.PushBack(t)
	case t.in == p.fresh:
		p.fresh.MoveToBack(t.place)
	default:
		p.settled.Remove(t.place)
		t.in, t.place = p.fresh, p.fresh.PushBack(t)
	}
	t.touched = now
	return t
}

// settle decides what has been quiet for long enough.
func (p *pending) settle(now time.Time) {
	for e := p.fresh.Front(); e != nil && now.Sub(e.Value.(*openTrace).touched) >= loneAfter; e = p.fresh.Front() {
		p.conclude(e.Value.(*openTrace))
	}
	for e := p.settled.Front(); e != nil && now.Sub(e.Value.(*openTrace).touched) >= forgetAfter; e = p.settled.Front() {
		p.forget(e.Value.(*openTrace))
	}
}

// shrink keeps the bound by letting the longest quiet traces go early.
func (p *pending) shrink() {
	for p.size > p.maxSize {
		e := p.settled.Front()
		if e == nil {
			e = p.fresh.Front()
			p.conclude(e.Value.(*openTrace))
		}
		p.forget(e.Value.(*openTrace))
	}
}

// conclude draws the edges of clients and producers that nobody has answered.
func (p *pending) conclude(t *openTrace) {
	for _, s := range t.spans {
		if s.answered || s.peer == "" {
			continue
		}
		s.answered = true
		p.graph.Count(graph.Key{From: s.service, To: s.peer, Type: s.peerType}, s.start, s.took, s.failed)
	}
	t.in.Remove(t.place)
	t.in, t.place = p.settled, p.settled.PushBack(t)
}

func (p *pending) forget(t *openTrace) {
	p.size -= 1 + len(t.spans)
	for _, callees := range t.waiting {
		p.size -= len(callees)
		p.unpaired += uint64(len(callees))
	}
	t.in.Remove(t.place)
	delete(p.traces, t.id)
}
