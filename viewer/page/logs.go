package page

import (
	"strings"
	"time"

	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/trace"
)

const (
	// maxLogRows is how many log records one page shows.
	maxLogRows = 2000
	// maxBodyBytes is how much of a log record's body a line shows.
	maxBodyBytes = 8 << 10
	// maxValueBytes is how much of an attribute's value is shown.
	maxValueBytes = 32 << 10
)

// logRow is one log record.
type logRow struct {
	Offset, Stamp, Level, Class, Service, Body string
	Colour                                     int
	Span, SpanName                             string // the link to its span, where that is known
	Attributes                                 []attribute
}

// logList is the trace's log records in the order of time.
type logList struct {
	Rows       []logRow
	Count, Cut int
}

func newLogList(t *trace.Trace, start time.Time, colours map[string]int, url traceURL) logList {
	list := logList{Count: len(t.Logs), Cut: max(len(t.Logs)-maxLogRows, 0)}
	if url.View != "logs" {
		return list
	}
	names := make(map[index.SpanID]string, len(t.Spans))
	for _, s := range t.Spans {
		names[s.ID] = s.Name
	}
	for _, l := range t.Logs[:list.Count-list.Cut] {
		r := newLogRow(l, start, colours)
		if name, known := names[l.Span]; known {
			r.Span, r.SpanName = url.onSpan(l.Span.String()).String(), cut(name, maxNameBytes)
		}
		list.Rows = append(list.Rows, r)
	}
	return list
}

func newLogRow(l trace.Log, start time.Time, colours map[string]int) logRow {
	r := logRow{
		Offset: offset(l.Time, start), Stamp: formatStamp(l.Time), Level: l.Level(), Class: severity(l),
		Service: cut(l.Resource.Service, maxNameBytes), Body: cut(l.Body, maxBodyBytes), Colour: colours[l.Resource.Service],
	}
	if start.IsZero() { // no span has come
		r.Offset = formatClock(l.Time)
	}
	r.Attributes = attributes(l.Attributes, "")
	return r
}

// severity is the class that colours a log record: by OTLP's number or, where
// that is not given, by the text.
func severity(l trace.Log) string {
	level := l.Level()
	if l.Severity > 0 {
		level = trace.Log{Severity: l.Severity}.Level()
	}
	switch strings.ToUpper(level) {
	case "WARN", "WARNING":
		return "warn"
	case "ERROR", "FATAL", "CRITICAL", "PANIC":
		return "error"
	case "TRACE", "DEBUG":
		return "debug"
	}
	return "info"
}

// attribute is a key with its value as it is shown.
type attribute struct {
	Key, Value, Type string
	Search           string // finds traces with the same value
	Long             bool
}

// attributes prepares a list; with a service, each links to the search for
// the traces of that service that have the same value.
func attributes(list []trace.Attribute, service string) []attribute {
	out := make([]attribute, 0, len(list))
	for _, a := range list {
		made := attribute{Key: a.Key, Value: cut(a.Value.Text(), maxValueBytes), Type: typeName(a.Value.Type)}
		made.Long = len(made.Value) > 120 || strings.Contains(made.Value, "\n")
		if service != "" && !made.Long {
			made.Search = searchFor(service, a.Key, made.Value)
		}
		out = append(out, made)
	}
	return out
}

func typeName(t trace.ValueType) string {
	switch t {
	case trace.Bool:
		return "bool"
	case trace.Int:
		return "int"
	case trace.Float:
		return "double"
	case trace.Bytes:
		return "bytes, base64"
	}
	return ""
}
