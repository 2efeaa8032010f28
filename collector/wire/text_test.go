package wire

import (
	"encoding/hex"
	"fmt"

	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
)

// The same texts made of our views and of the generated types, so that two
// decoders can be compared by what they read.

func idText(id []byte, length int) string {
	if len(id) != length {
		id = make([]byte, length)
	}
	return hex.EncodeToString(id)
}

func wantSpan(rs *trace.ResourceSpans, ss *trace.ScopeSpans, s *trace.Span) string {
	var events, links []any
	for _, e := range s.Events {
		events = append(events, e.TimeUnixNano, e.Name, wantAttributes(e.Attributes), e.DroppedAttributesCount)
	}
	for _, l := range s.Links {
		links = append(links, idText(l.TraceId, 16), idText(l.SpanId, 8), l.TraceState, wantAttributes(l.Attributes),
			l.DroppedAttributesCount, l.Flags)
	}
	return fmt.Sprintf("%q %v %q %q %v | %s %s %s %q %x %q %d %d %d %v %d %d %d %v %v %d %q",
		rs.SchemaUrl, wantAttributes(rs.GetResource().GetAttributes()), ss.GetScope().GetName(), ss.GetScope().GetVersion(),
		wantAttributes(ss.GetScope().GetAttributes()),
		idText(s.TraceId, 16), idText(s.SpanId, 8), idText(s.ParentSpanId, 8), s.TraceState, s.Flags, s.Name, s.Kind.Number(),
		s.StartTimeUnixNano, s.EndTimeUnixNano, wantAttributes(s.Attributes),
		s.DroppedAttributesCount, s.DroppedEventsCount, s.DroppedLinksCount, events, links,
		s.GetStatus().GetCode().Number(), s.GetStatus().GetMessage())
}

func spansAsText(raw []byte) (out []string) {
	err := WalkSpans(raw, func(r *Resource, sc *Scope, s *Span) error {
		var events, links []any
		for e := range s.Events() {
			events = append(events, e.Time, string(e.Name), gotAttributes(e.Attributes), e.DroppedAttributes)
		}
		for l := range s.Links() {
			links = append(links, idText(l.TraceID[:], 16), idText(l.SpanID[:], 8), string(l.TraceState), gotAttributes(l.Attributes),
				l.DroppedAttributes, l.Flags)
		}
		out = append(out, fmt.Sprintf("%q %v %q %q %v | %s %s %s %q %x %q %d %d %d %v %d %d %d %v %v %d %q",
			r.SchemaURL, gotAttributes(r.Attributes), sc.Name, sc.Version, gotAttributes(sc.Attributes),
			idText(s.TraceID[:], 16), idText(s.SpanID[:], 8), idText(s.ParentID[:], 8), s.TraceState, s.Flags, s.Name, s.Kind,
			s.Start, s.End, gotAttributes(s.Attributes),
			s.DroppedAttributes, s.DroppedEvents, s.DroppedLinks, events, links,
			s.StatusCode, s.StatusMessage))
		return nil
	})
	if err != nil {
		return []string{err.Error()}
	}
	return out
}

func wantLog(rl *logs.ResourceLogs, l *logs.LogRecord) string {
	return fmt.Sprintf("%v | %d %d %d %q %v %v %d %x %s %s %q", wantAttributes(rl.GetResource().GetAttributes()),
		l.TimeUnixNano, l.ObservedTimeUnixNano, l.SeverityNumber.Number(), l.SeverityText, wantValue(l.Body), wantAttributes(l.Attributes),
		l.DroppedAttributesCount, l.Flags, idText(l.TraceId, 16), idText(l.SpanId, 8), l.EventName)
}

func logsAsText(raw []byte) (out []string) {
	err := WalkLogs(raw, func(r *Resource, _ *Scope, l *LogRecord) error {
		out = append(out, fmt.Sprintf("%v | %d %d %d %q %v %v %d %x %s %s %q", gotAttributes(r.Attributes),
			l.Time, l.ObservedTime, l.Severity, l.SeverityText, gotValue(l.Body), gotAttributes(l.Attributes),
			l.DroppedAttributes, l.Flags, idText(l.TraceID[:], 16), idText(l.SpanID[:], 8), l.EventName))
		return nil
	})
	if err != nil {
		return []string{err.Error()}
	}
	return out
}
