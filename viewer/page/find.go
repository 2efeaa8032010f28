package page

import (
	"strings"

	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/trace"
)

// finder looks for spans within one trace. A span fits when it holds every
// term, whatever their case.
type finder struct {
	terms []term
	logs  map[index.SpanID][]trace.Log
}

// term is a word that may be anywhere in a span or, with a key, in the
// attribute of that key.
type term struct{ key, text string }

// newFinder reads words, "two words" in quotes, and key=value.
func newFinder(text string, logs []trace.Log) finder {
	f := finder{logs: map[index.SpanID][]trace.Log{}}
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		var t term
		if at := strings.IndexAny(text, "= \"'"); at > 0 && text[at] == '=' {
			t.key, text = strings.ToLower(text[:at]), text[at+1:]
		}
		value, rest, ok := cutValue(text)
		if !ok {
			value, rest = strings.Trim(text, `"'`), ""
		}
		t.text, text = strings.ToLower(value), rest
		f.terms = append(f.terms, t)
	}
	for _, l := range logs {
		f.logs[l.Span] = append(f.logs[l.Span], l)
	}
	return f
}

// fits says whether the span holds every term; nothing fits no terms at all.
func (f finder) fits(s *trace.Span) bool {
	for _, t := range f.terms {
		if !t.inSpan(s) && !t.inLogs(f.logs[s.ID]) {
			return false
		}
	}
	return len(f.terms) > 0
}

func (t term) inSpan(s *trace.Span) bool {
	if t.in(s.Attributes) || t.in(s.Resource.Attributes) {
		return true
	}
	for _, e := range s.Events {
		if t.in(e.Attributes) || t.is(e.Name) {
			return true
		}
	}
	return t.is(s.Name) || t.is(s.Resource.Service) || t.is(s.Message) || t.is(s.Kind.String()) || t.is(s.ID.String()) ||
		(t.key == "" && t.text == "error" && s.Failed())
}

func (t term) inLogs(logs []trace.Log) bool {
	for _, l := range logs {
		if t.in(l.Attributes) || t.is(l.Body) {
			return true
		}
	}
	return false
}

func (t term) in(attributes []trace.Attribute) bool {
	for _, a := range attributes {
		key, value := strings.ToLower(a.Key), strings.ToLower(a.Value.Text())
		if t.key == "" && (strings.Contains(key, t.text) || strings.Contains(value, t.text)) {
			return true
		}
		if t.key != "" && t.key == key && strings.Contains(value, t.text) {
			return true
		}
	}
	return false
}

// is looks into a text that is no attribute's.
func (t term) is(text string) bool {
	return t.key == "" && strings.Contains(strings.ToLower(text), t.text)
}
