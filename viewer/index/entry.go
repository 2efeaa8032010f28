package index

import (
	"slices"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// entry is one trace. With a million of them, each field counts.
type entry struct {
	id TraceID
	// key sorts entries: the start, though never later than the record that
	// brought it, so that a clock gone wrong cannot hold the top of the list.
	key        int64
	start, end int64
	rootStart  int64
	root       operationID
	rooted     bool
	// partial says that the services or operations reached maxPerEntry, so
	// that what is not listed may still be in the trace.
	partial    bool
	spans      uint32
	errors     uint32
	services   []serviceStat
	operations []operationID
	records    offsets
}

// serviceStat is one service's part in a trace.
type serviceStat struct {
	service serviceID
	spans   uint32
	errors  uint32
	// longest is the service's longest span in microseconds, at most 71 minutes.
	longest uint32
}

// maxPerEntry bounds the services and the operations listed for one trace.
const maxPerEntry = 512

// entryBytes estimates an entry without what its slices hold: the struct, its
// places in the map and in the order.
const entryBytes = 160 + 48 + 16

func (e *entry) bytes() int64 {
	return entryBytes + int64(cap(e.services))*16 + int64(cap(e.operations))*4 + int64(cap(e.records.data))
}

// count adds one span and says whether it is the best root so far.
func (e *entry) count(s Span, service serviceID) (root bool) {
	start, end := int64(s.Start), max(int64(s.End), int64(s.Start))
	if e.spans == 0 || start < e.start {
		e.start = start
	}
	e.end = max(e.end, end)
	e.spans++
	if s.Failed {
		e.errors++
	}
	if stat := e.stat(service); stat != nil {
		stat.spans++
		stat.longest = max(stat.longest, micros(end-start))
		if s.Failed {
			stat.errors++
		}
	}
	rooted := s.Parent == SpanID{}
	first := e.spans == 1 || (rooted && !e.rooted) || (rooted == e.rooted && start < e.rootStart)
	if first {
		e.rootStart, e.rooted = start, rooted
	}
	return first
}

// stat finds or adds the service's statistics; nil when there are too many.
func (e *entry) stat(service serviceID) *serviceStat {
	at := slices.IndexFunc(e.services, func(stat serviceStat) bool { return stat.service == service })
	if at >= 0 {
		return &e.services[at]
	}
	if len(e.services) >= maxPerEntry {
		e.partial = true
		return nil
	}
	e.services = append(e.services, serviceStat{service: service})
	return &e.services[len(e.services)-1]
}

// hold adds the operation to those of the trace and says whether it is new there.
func (e *entry) hold(op operationID) bool {
	if slices.Contains(e.operations, op) {
		return false
	}
	if len(e.operations) >= maxPerEntry {
		e.partial = true
		return false
	}
	e.operations = append(e.operations, op)
	return true
}

// micros is the duration in microseconds, as much of it as fits.
func micros(nanos int64) uint32 { return uint32(min(nanos/1000, 1<<32-1)) }

// Summary describes a trace without its spans.
type Summary struct {
	ID         TraceID
	Start, End time.Time
	// RootService and RootOperation are those of the span without a parent,
	// or of the earliest span while Rooted is false: its root has not come.
	RootService, RootOperation string
	Rooted                     bool
	// Partial says that the trace has more services or operations than are
	// kept for one, so that a scan by name could not exclude it.
	Partial       bool
	Spans, Errors int
	// Services are in the order in which the index met them.
	Services []ServiceCount
	// SpanRecords and LogRecords are where the journal holds the trace.
	SpanRecords, LogRecords []journal.Offset
}

// Duration is from the first span's start to the last one's end.
func (s Summary) Duration() time.Duration { return s.End.Sub(s.Start) }

// ServiceCount is one service's part in a trace.
type ServiceCount struct {
	Name          string
	Spans, Errors int
}

// summary copies the entry, so that it can be read without the lock.
func (e *entry) summary(n *names) Summary {
	s := Summary{
		ID: e.id, Start: time.Unix(0, e.start), End: time.Unix(0, e.end),
		Rooted: e.rooted, Partial: e.partial, Spans: int(e.spans), Errors: int(e.errors),
		Services: make([]ServiceCount, 0, len(e.services)),
	}
	if e.spans > 0 {
		s.RootService, s.RootOperation = n.service(n.serviceOf(e.root)), n.operationName(e.root)
	}
	for _, stat := range e.services {
		s.Services = append(s.Services, ServiceCount{n.service(stat.service), int(stat.spans), int(stat.errors)})
	}
	s.SpanRecords, s.LogRecords = e.records.split()
	return s
}
