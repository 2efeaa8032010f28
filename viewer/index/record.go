package index

import (
	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
)

// AddRecord takes in what a record of the journal holds: all its spans, or the
// traces that its logs belong to. Records come in the order of their offsets.
// Of a malformed record, which no receiver lets in, what lies before the fault
// is taken. Errors: wire.ErrMalformed.
func (x *Index) AddRecord(record journal.Record) error {
	from := Origin{Offset: record.Offset, Time: record.Time}
	switch record.Signal {
	case journal.Traces:
		var links []Link
		return wire.WalkSpans(record.Payload, func(r *wire.Resource, _ *wire.Scope, s *wire.Span) error {
			if s.HasIDs() {
				span := FromWire(r, s, links)
				links = span.Links
				x.AddSpan(from, span)
			}
			return nil
		})
	case journal.Logs:
		return wire.WalkLogs(record.Payload, func(_ *wire.Resource, _ *wire.Scope, l *wire.LogRecord) error {
			if l.TraceID != (wire.TraceID{}) {
				x.AddLog(from, TraceID(l.TraceID))
			}
			return nil
		})
	}
	return nil
}
