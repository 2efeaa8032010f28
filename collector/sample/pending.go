package sample

import (
	"slices"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
)

// pending is what has been decided and is not dealt with yet. It implements
// judged.
type pending struct {
	engine *engine
	meters *meters

	chosen  map[wire.TraceID]chosen
	offsets []journal.Offset
	settled []wire.TraceID // whose decisions are to be written down
}

// chosen is a trace to hand on: its spans from an offset on. Those before it
// have been handed on.
type chosen struct {
	verdict
	from journal.Offset
}

// maxPending bounds the records that are to be read again.
const maxPending = 4096

func newPending(m *meters) *pending { return &pending{meters: m, chosen: map[wire.TraceID]chosen{}} }

func (p *pending) decide(t *trace, reason string, now time.Time) decision {
	v, by := p.engine.bench.decide(t, now)
	p.settled = append(p.settled, t.id)
	p.meters.decided(reason, v.keep, by, t.spans)
	if t.random < t.threshold {
		p.meters.unsampled.Add(float64(t.spans))
	}
	if v.keep {
		p.chosen[t.id] = chosen{verdict: v}
		p.offsets = append(p.offsets, t.offsets...)
	}
	return decision{verdict: v}
}

func (p *pending) late(id wire.TraceID, d decision, at journal.Offset, _ uint32, _ *wire.Span) {
	p.meters.late(d.keep)
	if !d.keep {
		return
	}
	if _, ok := p.chosen[id]; !ok {
		p.chosen[id] = chosen{verdict: d.verdict, from: d.through}
		p.settled = append(p.settled, id)
	}
	p.read(at)
}

func (p *pending) sample(id wire.TraceID, v verdict, at journal.Offset) {
	p.meters.sampled(v.keep)
	if !v.keep {
		return
	}
	if _, ok := p.chosen[id]; !ok {
		p.chosen[id] = chosen{verdict: v}
	}
	p.read(at)
}

// read notes that a record has to be read again.
func (p *pending) read(at journal.Offset) {
	if n := len(p.offsets); n == 0 || p.offsets[n-1] != at {
		p.offsets = append(p.offsets, at)
	}
}

// places are the records to read again, in order.
func (p *pending) places() []journal.Offset {
	slices.Sort(p.offsets)
	p.offsets = slices.Compact(p.offsets)
	return p.offsets
}

// wants is what is wanted of the record at an offset.
func (p *pending) wants(at journal.Offset) func(wire.TraceID) verdict {
	return func(id wire.TraceID) verdict {
		if c, ok := p.chosen[id]; ok && at >= c.from {
			return c.verdict
		}
		return verdict{}
	}
}

func (p *pending) clear() {
	clear(p.chosen)
	p.offsets, p.settled = p.offsets[:0], p.settled[:0]
}
