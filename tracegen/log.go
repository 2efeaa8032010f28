package tracegen

import (
	"encoding/binary"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/waybill-dev/waybill/tracegen/topology"
)

// The fields of a LogRecord (opentelemetry-proto, logs/v1/logs.proto).
const (
	logTime       = 1
	logSeverity   = 2
	logText       = 3
	logBody       = 5
	logAttributes = 6
	logFlags      = 8
	logTraceID    = 9
	logSpanID     = 10
	logObserved   = 11
)

// Where the holes of an encoded LogRecord are.
const (
	holeLogTime     = 1
	holeLogObserved = 10
	holeLogTrace    = 20
	holeLogSpan     = 38
)

// logTemplate is an encoded LogRecord with holes for its times and ids.
type logTemplate struct {
	bytes     []byte
	variables []variable
}

func newLogTemplate(l topology.Log) *logTemplate {
	b := appendFixed64(appendFixed64(nil, logTime, 0), logObserved, 0)
	b = appendBytes(b, logTraceID, make([]byte, 16))
	b = appendBytes(b, logSpanID, make([]byte, 8))
	b = appendVarint(b, logSeverity, uint64(l.Severity))
	b = appendBytes(b, logText, []byte(l.Severity.String()))
	b = appendBytes(b, logBody, anyValue(l.Body))
	t := &logTemplate{}
	for _, a := range l.Attributes {
		if a.Value.Pattern == topology.PatternNone {
			b = appendAttribute(b, logAttributes, a.Key, a.Value.Constant)
		} else {
			t.variables = append(t.variables, newVariable(a, logAttributes))
		}
	}
	b = protowire.AppendTag(b, logFlags, protowire.Fixed32Type)
	t.bytes = protowire.AppendFixed32(b, sampled)
	return t
}

// append writes the record as field 2 of a ScopeLogs.
func (l *logTemplate) append(dst []byte, tr *trace, s *span, at time.Duration, scratch *[]byte) []byte {
	variables := (*scratch)[:0]
	for i := range l.variables {
		variables = l.variables[i].append(variables, tr.random, s.id)
	}
	*scratch = variables
	dst = protowire.AppendTag(dst, 2, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(len(l.bytes)+len(variables)))
	dst = slices.Grow(dst, len(l.bytes)+len(variables))
	begin := len(dst)
	dst = append(dst, l.bytes...)
	record := dst[begin:]
	binary.LittleEndian.PutUint64(record[holeLogTime:], tr.epoch+uint64(at))
	binary.LittleEndian.PutUint64(record[holeLogObserved:], tr.epoch+uint64(at))
	copy(record[holeLogTrace:], tr.id[:])
	binary.BigEndian.PutUint64(record[holeLogSpan:], s.id)
	return append(dst, variables...)
}

// logMaker makes what the spans of some traces have written, as
// ExportLogsServiceRequests in memory of their own: a request's frame is that
// of spans, to the field numbers.
type logMaker interface {
	encodeLogs(seed uint64, traces Range, now time.Time) (requests [][]byte, records int)
}

func (e *encoder) encodeLogs(seed uint64, traces Range, now time.Time) (requests [][]byte, records int) {
	for i := range traces.N {
		t := e.trace
		t.make(e.program, seed, traces.First+i)
		t.epoch = uint64(now.Add(-t.end).UnixNano())
		for j := range t.spans {
			s := &t.spans[j]
			for k, at := range t.events[s.events : s.events+s.reached] {
				if l := s.template.events[k].log; l != nil {
					e.addLog(l, s, at)
					records++
				}
			}
			for _, l := range s.template.endLogs {
				e.addLog(l, s, s.end)
				records++
			}
			if e.pending >= maxRequest {
				requests = append(requests, e.flush(nil))
			}
		}
	}
	if len(e.used) > 0 {
		requests = append(requests, e.flush(nil))
	}
	return requests, records
}

func (e *encoder) addLog(l *logTemplate, s *span, at time.Duration) {
	r := e.resource(s.template.service)
	before := len(e.spans[r])
	if before == 0 {
		e.used = append(e.used, r)
		e.pending += len(e.program.resources[r]) + len(scopeHead) + requestFrame
	}
	e.spans[r] = l.append(e.spans[r], e.trace, s, at, &e.scratch)
	e.pending += len(e.spans[r]) - before
}
