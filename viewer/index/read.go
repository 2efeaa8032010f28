package index

import (
	"slices"
	"time"

	"github.com/waybill-dev/waybill/viewer/graph"
)

// Services lists the services of the traces held, sorted.
func (x *Index) Services() []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.names.serviceList()
}

// Operations lists the operations of a service, or of all when it is empty.
func (x *Index) Operations(service string) []Operation {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.names.operationList(service)
}

// Trace describes one trace; it is false when the index does not hold it.
func (x *Index) Trace(id TraceID) (Summary, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	e := x.entries[id]
	if e == nil {
		return Summary{}, false
	}
	return e.summary(x.names), true
}

// Graph is the service graph between two times, and where its counts begin.
func (x *Index) Graph(from, to time.Time) (edges []graph.Edge, since time.Time) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.graph.Window(from, to)
}

// Filter is what the index can decide without reading spans. A trace that
// passes may still have no single span that fits everything.
type Filter struct {
	// Service and Operation are exact; empty means any.
	Service, Operation string
	// From and To bound a trace's start; zero means open.
	From, To time.Time
	// MinDuration and MaxDuration bound the duration of the trace or, where
	// Service or Operation is given, that of a span; zero means open.
	MinDuration, MaxDuration time.Duration
	// Errors asks for a failed span, of the Service where that is given.
	Errors bool
}

// maxVisits bounds how long one Scan holds the lock.
const maxVisits = 20_000

// Cursor is where a scan goes on; the zero value is before the newest trace.
type Cursor struct {
	at      position
	started bool
}

// Scan returns up to limit summaries that pass, newest first, and the cursor
// that goes on from there; done means that there is nothing further. It may
// return none although it is not done.
func (x *Index) Scan(f Filter, c Cursor, limit int) (found []Summary, next Cursor, done bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	service, known := x.names.serviceNamed(f.Service)
	if f.Service != "" && !known {
		return nil, c, true
	}
	i := len(x.order)
	switch {
	case c.started:
		i = x.order.before(c.at)
	case !f.To.IsZero():
		// A key is never later than the start.
		i = x.order.before(position{key: f.To.UnixNano() + 1})
	}
	for visits := 0; i > 0 && visits < maxVisits && len(found) < limit; visits++ {
		i--
		if e := x.order[i]; f.passes(e, x.names, service) {
			found = append(found, e.summary(x.names))
		}
	}
	if i == 0 {
		return found, c, true
	}
	last := x.order[i].position()
	return found, Cursor{last, true}, !f.From.IsZero() && last.key < f.From.UnixNano()
}

// passes decides by the entry alone. Where a service or operation is asked
// for, a minimum duration is decided by the longest span.
func (f Filter) passes(e *entry, n *names, service serviceID) bool {
	if e.spans == 0 || (f.Errors && e.errors == 0) {
		return false
	}
	if (!f.From.IsZero() && e.start < f.From.UnixNano()) || (!f.To.IsZero() && e.start > f.To.UnixNano()) {
		return false
	}
	whole := f.Service == "" && f.Operation == ""
	took := time.Duration(e.end - e.start)
	if took < f.MinDuration || (whole && f.MaxDuration > 0 && took > f.MaxDuration) {
		return false
	}
	if e.partial {
		return true
	}
	if f.Service != "" && !f.servicePasses(e, service) {
		return false
	}
	return f.Operation == "" || slices.ContainsFunc(e.operations, func(op operationID) bool {
		return n.operationName(op) == f.Operation && (f.Service == "" || n.serviceOf(op) == service)
	})
}

func (f Filter) servicePasses(e *entry, service serviceID) bool {
	return slices.ContainsFunc(e.services, func(stat serviceStat) bool {
		return stat.service == service && (!f.Errors || stat.errors > 0) &&
			stat.longest >= micros(int64(f.MinDuration))
	})
}
