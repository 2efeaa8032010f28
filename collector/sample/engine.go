package sample

import (
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
)

// Why a trace was decided when it was, as the label of
// waybill_sample_decisions_total.
const (
	reasonRoot    = "root"
	reasonWait    = "wait"
	reasonSpans   = "spans"
	reasonTraces  = "traces"
	reasonMemory  = "memory"
	unknown       = "unknown_service"
	maxServices   = 1024
	otherServices = "other_services"
)

// engine collects traces from records and decides them. Its clock is the time
// at which records were appended, so that a sampler that is behind, or starts
// again, decides as one that is up to date. It is used by one goroutine.
type engine struct {
	cfg    TailConfig
	head   *head
	bench  *bench
	judged judged

	now     time.Time
	next    journal.Offset // behind the last record that was taken
	open    map[wire.TraceID]*trace
	waiting list
	rooted  []*trace // by when their roots came
	bytes   int64    // that the open traces take
	memory  *remembered
	trial   bool // portions are noted, and every trace is held

	services map[string]uint32
	names    []string

	// Of the record at hand.
	pass         wire.SpanPass
	at           journal.Offset
	last         *trace
	service      uint32
	rate         *rate
	resourceMark uint64
}

// judged is told what becomes of spans. All are called while a record is taken,
// or time passes.
type judged interface {
	// decide decides a trace.
	decide(t *trace, reason string, now time.Time) decision
	// late takes in a span of a trace that is decided; before through it has
	// been dealt with already.
	late(id wire.TraceID, d decision, at journal.Offset, service uint32, s *wire.Span)
	// sample takes in a span whose trace nobody needs to wait for: its id says
	// all there is to say.
	sample(id wire.TraceID, v verdict, at journal.Offset)
}

func newEngine(cfg Config, b *bench, j judged, evicted func()) *engine {
	if len(b.judges) == 0 {
		cfg.Tail.RootGrace = 0 // Head sampling alone has nothing else to wait for.
	}
	return &engine{
		cfg: cfg.Tail, head: newHead(cfg.Head), bench: b, judged: j,
		open: map[wire.TraceID]*trace{}, memory: newRemembered(cfg.Tail.RememberTraces, evicted),
		services: map[string]uint32{otherServices: 0}, names: []string{otherServices},
	}
}

// take takes in a record. Errors: of a record that ends in the middle of a
// span; those before it are taken in.
func (e *engine) take(r *journal.Record) error {
	e.advance(r.Time)
	e.next = r.Next
	if r.Signal != journal.Traces {
		return nil
	}
	e.at, e.last = r.Offset, nil
	return e.pass.Over(r.Payload, e)
}

// Visit takes in a span. It implements wire.SpanVisitor, and returns no error.
func (e *engine) Visit(s *wire.Span) error {
	t := e.last
	if t == nil || t.id != s.TraceID || t.decided {
		if t = e.find(s); t == nil {
			return nil
		}
	}
	marks := e.resourceMark | e.bench.marks(s.Attributes)
	root := s.ParentID == (wire.SpanID{})
	t.sample(e.rate.of(s.Name), root)
	t.learn(s)
	e.bytes += t.add(e.at, s, e.service, marks)
	if e.trial {
		t.share(e.service, int64(len(s.Raw)))
	}
	if root && t.rooted.IsZero() {
		t.rooted = e.now
		e.rooted = append(e.rooted, t)
	}
	e.bound(t)
	return nil
}

// find is the trace of a span: one that waits, or a new one; nil where it is
// decided.
func (e *engine) find(s *wire.Span) *trace {
	t := e.open[s.TraceID]
	if t == nil {
		if d, ok := e.memory.get(s.TraceID); ok {
			if e.at >= d.through {
				e.judged.late(s.TraceID, d, e.at, e.service, s)
			}
			return nil
		}
		random, explicit := randomOf(s)
		if v, certain := e.sampled(random); certain {
			e.judged.sample(s.TraceID, v, e.at)
			return nil
		}
		t = &trace{id: s.TraceID, first: e.now, random: random, explicit: explicit, threshold: randomness}
		e.open[t.id] = t
		e.waiting.push(t)
		e.bytes += traceBytes
	}
	e.last = t
	return t
}

// sampled is what becomes of a new trace wherever it begins, and whatever is in
// it; it is certain where no rate reaches so low, and where all are the same and
// there are no policies.
func (e *engine) sampled(random uint64) (_ verdict, certain bool) {
	switch {
	case e.trial:
		return verdict{}, false
	case random < e.head.lowest:
		return verdict{}, true
	}
	return verdict{keep: true, threshold: e.head.lowest}, e.head.uniform && len(e.bench.judges) == 0
}

// bound decides traces before their time where there would be too much.
func (e *engine) bound(t *trace) {
	if t.spans >= e.cfg.MaxTraceSpans {
		e.decide(t, reasonSpans)
	}
	for len(e.open) > e.cfg.MaxTraces {
		e.decide(e.waiting.oldest, reasonTraces)
	}
	for e.bytes > e.cfg.MaxMemoryBytes && len(e.open) > 0 {
		e.decide(e.waiting.oldest, reasonMemory)
	}
}

// Enter takes in the resource of the spans that follow. It implements
// wire.SpanVisitor.
func (e *engine) Enter(resource *wire.Resource) {
	e.resourceMark = e.bench.marks(resource.Attributes)
	name := resource.ServiceName()
	id, ok := e.services[string(name)]
	if !ok && len(e.names) < maxServices {
		id = uint32(len(e.names))
		e.services[string(name)] = id
		if len(name) == 0 {
			name = []byte(unknown)
		}
		e.names = append(e.names, string(name))
	}
	e.service, e.rate = id, e.head.of(resource.ServiceName())
}

// advance lets time pass, and decides what has waited long enough. Time that
// jumps back stands still.
func (e *engine) advance(now time.Time) {
	if now.After(e.now) {
		e.now = now
	}
	for len(e.rooted) > 0 {
		t := e.rooted[0]
		if !t.decided && e.now.Sub(t.rooted) < e.cfg.RootGrace {
			break
		}
		e.rooted[0] = nil
		e.rooted = e.rooted[1:]
		if !t.decided {
			e.decide(t, reasonRoot)
		}
	}
	for t := e.waiting.oldest; t != nil && e.now.Sub(t.first) >= e.cfg.DecisionWait; t = e.waiting.oldest {
		e.decide(t, reasonWait)
	}
}

func (e *engine) decide(t *trace, reason string) {
	t.decided = true
	delete(e.open, t.id)
	e.waiting.remove(t)
	e.bytes -= traceBytes + int64(cap(t.offsets))*entryBytes
	e.memory.put(t.id, e.judged.decide(t, reason, e.now))
	t.offsets = nil
}

// needs is the offset from which on the journal has to be read again after a
// crash: that of the oldest span whose trace is not decided.
func (e *engine) needs() journal.Offset {
	if t := e.waiting.oldest; t != nil {
		return t.offsets[0]
	}
	return e.next
}
