package sample

import (
	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
)

// decision is what was decided about a trace.
type decision struct {
	verdict
	// through is the offset before which its spans have been dealt with: they
	// are handed on, or dropped, whatever happens.
	through journal.Offset
	// policies has a bit for each policy that would keep it, and sampled says
	// whether head sampling would; of a trial only.
	policies uint64
	sampled  bool
}

// remembered has the last decisions, so that spans that come late follow them.
type remembered struct {
	limit   int
	by      map[wire.TraceID]decision
	order   []wire.TraceID // a ring: the oldest is at first, once it is full
	first   int
	evicted func()
}

func newRemembered(limit int, evicted func()) *remembered {
	return &remembered{limit: limit, by: map[wire.TraceID]decision{}, evicted: evicted}
}

func (m *remembered) get(id wire.TraceID) (decision, bool) {
	d, ok := m.by[id]
	return d, ok
}

// put remembers a decision, in the place of the oldest where there is no room.
func (m *remembered) put(id wire.TraceID, d decision) {
	_, known := m.by[id]
	m.by[id] = d
	switch {
	case known:
	case len(m.order) < m.limit:
		m.order = append(m.order, id)
	default:
		delete(m.by, m.order[m.first])
		m.order[m.first] = id
		m.first = (m.first + 1) % m.limit
		m.evicted()
	}
}
