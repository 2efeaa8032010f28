package jaeger

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/trace"
)

// maxSafe is the largest integer that JavaScript keeps exactly. Beyond it an
// integer is sent as a string, as Jaeger does.
const maxSafe = 1<<53 - 1

// convert writes a trace as Jaeger stores one that came by OTLP: what has no
// field there becomes a tag.
func convert(t *trace.Trace) traceJSON {
	out := traceJSON{
		TraceID: traceID(t.ID), Spans: make([]spanJSON, 0, len(t.Spans)), Processes: map[string]process{}, Warnings: []string{},
	}
	known := map[*trace.Resource]string{}
	byContent := map[string]string{}
	for _, s := range t.Spans {
		pid, ok := known[s.Resource]
		if !ok {
			p := process{ServiceName: s.Resource.Service, Tags: tags(s.Resource.Attributes, "service.name")}
			content := fmt.Sprintf("%q", p)
			if pid, ok = byContent[content]; !ok {
				pid = "p" + strconv.Itoa(len(byContent)+1)
				byContent[content] = pid
				out.Processes[pid] = p
			}
			known[s.Resource] = pid
		}
		out.Spans = append(out.Spans, convertSpan(t.ID, s, pid))
	}
	if t.Gone > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf("%d records with spans of this trace have been deleted from the journal", t.Gone))
	}
	if t.Cut > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf("%d spans or logs are left out because the trace is too large", t.Cut))
	}
	return out
}

func convertSpan(id index.TraceID, s *trace.Span, pid string) spanJSON {
	out := spanJSON{
		TraceID: traceID(id), SpanID: s.ID.String(), OperationName: s.Name, References: references(id, s),
		StartTime: s.Start.UnixMicro(), Duration: s.Duration().Microseconds(),
		Tags: spanTags(s), Logs: make([]logJSON, 0, len(s.Events)), ProcessID: pid, Warnings: []string{},
	}
	if slices.ContainsFunc(s.Links, nowhere) {
		out.Warnings = append(out.Warnings, "a link without a trace id is left out")
	}
	for _, e := range s.Events {
		fields := tags(e.Attributes)
		if _, has := trace.Get(e.Attributes, "event"); e.Name != "" && !has {
			fields = append([]tag{text("event", e.Name)}, fields...)
		}
		out.Logs = append(out.Logs, logJSON{Timestamp: e.Time.UnixMicro(), Fields: fields})
	}
	return out
}

// references has the parent first. A link to the parent alters its type
// instead of naming it twice.
func references(id index.TraceID, s *trace.Span) []reference {
	refs := make([]reference, 0, len(s.Links)+1)
	child := s.Parent != index.SpanID{}
	if child {
		refs = append(refs, reference{"CHILD_OF", traceID(id), s.Parent.String()})
	}
	for _, l := range s.Links {
		if nowhere(l) {
			continue
		}
		kind := "FOLLOWS_FROM"
		if v, _ := trace.Get(l.Attributes, "opentracing.ref_type"); v.Text() == "child_of" {
			kind = "CHILD_OF"
		}
		if child && l.Trace == id && l.Span == s.Parent {
			refs[0].RefType = kind
			continue
		}
		refs = append(refs, reference{kind, traceID(l.Trace), l.Span.String()})
	}
	return refs
}

func nowhere(l trace.Link) bool { return l.Trace == index.TraceID{} }

func spanTags(s *trace.Span) []tag {
	var out []tag
	add := func(key, value string) {
		if value != "" {
			out = append(out, text(key, value))
		}
	}
	add("otel.scope.name", s.Scope.Name)
	add("otel.scope.version", s.Scope.Version)
	out = append(out, tags(s.Attributes)...)
	add("span.kind", s.Kind.String())
	switch s.Status {
	case trace.OK:
		add("otel.status_code", "OK")
	case trace.Error:
		add("otel.status_code", "ERROR")
		out = append(out, tag{"error", "bool", true})
	}
	add("otel.status_description", s.Message)
	add("w3c.tracestate", s.State)
	if out == nil {
		out = []tag{}
	}
	return out
}

func text(key, value string) tag { return tag{key, "string", value} }

// tags converts attributes but for those left out, sorted by key.
func tags(attributes []trace.Attribute, without ...string) []tag {
	out := make([]tag, 0, len(attributes))
	for _, a := range attributes {
		if !slices.Contains(without, a.Key) {
			out = append(out, convertValue(a.Key, a.Value))
		}
	}
	slices.SortStableFunc(out, func(a, b tag) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

func convertValue(key string, v trace.Value) tag {
	switch v.Type {
	case trace.Bool:
		return tag{key, "bool", v.Int != 0}
	case trace.Int:
		if v.Int > maxSafe || v.Int < -maxSafe {
			return tag{key, "int64", v.Text()}
		}
		return tag{key, "int64", v.Int}
	case trace.Float:
		if math.IsNaN(v.Float) || math.IsInf(v.Float, 0) {
			return tag{key, "float64", v.Text()} // JSON has no such number
		}
		return tag{key, "float64", v.Float}
	case trace.Bytes:
		return tag{key, "binary", v.Text()}
	}
	return text(key, v.Str)
}

// traceID is 16 digits where the upper half is zero, as Jaeger writes it.
func traceID(id index.TraceID) string {
	if [8]byte(id[:8]) == [8]byte{} {
		return id.String()[16:]
	}
	return id.String()
}
