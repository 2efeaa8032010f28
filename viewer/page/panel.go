package page

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/trace"
)

// panel is everything about one span.
type panel struct {
	ID, Service, Name, Kind, Status, Message string
	Start, Offset, Duration, Self            string
	Colour                                   int
	Failed                                   bool
	Parent, ParentName, ParentMissing        string
	Focus, Close                             string
	Attributes, Resource, Scope              []attribute
	ScopeName, State, Dropped                string
	Events                                   []eventRow
	Links                                    []linkRow
	MoreEvents, MoreLinks                    int
	Logs                                     []logRow
	MoreLogs                                 int
}

// eventRow is one event; an exception's type, message and stack stand apart.
type eventRow struct {
	Offset, Name         string
	Type, Message, Stack string
	Attributes           []attribute
}

// linkRow is one link to a span.
type linkRow struct {
	Href, Trace, Span string
	Here              bool // within the same trace
	Attributes        []attribute
}

// How many log records, events and links a panel shows.
const (
	maxPanelLogs   = 200
	maxPanelEvents = 200
	maxPanelLinks  = 200
)

// panel answers a script with the panel alone; a person is led to the trace.
func (p *Pages) panel(w http.ResponseWriter, r *http.Request) {
	t, ok := p.open(w, r)
	if !ok {
		return
	}
	at := parseTraceURL(r.URL.Query()).withSpan(r.PathValue("span"))
	if !r.URL.Query().Has("part") {
		redirect(w, r, "/trace/"+t.ID.String()+at.String())
		return
	}
	id, err := index.ParseSpanID(at.Span)
	if err != nil {
		p.fail(w, r, http.StatusBadRequest, "This is no span id", "“"+at.Span+"”: "+err.Error()+".")
		return
	}
	found := newPanel(t, t.Tree(), id, at, p.colours())
	if found == nil {
		p.fail(w, r, http.StatusNotFound, "This span is not here", "Trace "+t.ID.String()+" has no span "+at.Span+".")
		return
	}
	p.render(w, r, http.StatusOK, "trace", "panel", found)
}

// newPanel is nil when the trace has no such span.
func newPanel(t *trace.Trace, roots []*trace.Node, id index.SpanID, at traceURL, colours map[string]int) *panel {
	n := trace.Find(roots, id)
	if n == nil {
		return nil
	}
	service := n.Resource.Service
	start, _ := t.Bounds()
	p := &panel{
		ID: id.String(), Service: service, Name: cut(n.Name, maxBodyBytes), Kind: n.Kind.String(), Status: n.Status.String(), Message: cut(n.Message, maxBodyBytes),
		Start: formatStamp(n.Start), Offset: offset(n.Start, start), Duration: formatDuration(n.Duration()),
		Colour: colours[service], Failed: n.Failed(),
		Close: at.withSpan("").String(), State: n.State, Dropped: dropped(n.Span),
		Attributes: attributes(n.Attributes, service), Resource: attributes(n.Resource.Attributes, ""),
		Scope:     attributes(n.Scope.Attributes, ""),
		ScopeName: strings.TrimSpace(n.Scope.Name + " " + n.Scope.Version),
	}
	if len(n.Children) > 0 {
		p.Self = formatDuration(selfTime(n))
		if at.Root != p.ID {
			p.Focus = at.withRoot(p.ID).String()
		}
	}
	p.setParent(t, n, at)
	p.MoreEvents, p.MoreLinks = max(len(n.Events)-maxPanelEvents, 0), max(len(n.Links)-maxPanelLinks, 0)
	for _, e := range n.Events[:len(n.Events)-p.MoreEvents] {
		p.Events = append(p.Events, newEventRow(e, n.Start, service))
	}
	for _, l := range n.Links[:len(n.Links)-p.MoreLinks] {
		p.Links = append(p.Links, newLinkRow(l, t.ID, at))
	}
	for _, l := range t.Logs {
		if l.Span != id {
			continue
		}
		if len(p.Logs) >= maxPanelLogs {
			p.MoreLogs++
			continue
		}
		p.Logs = append(p.Logs, newLogRow(l, start, colours))
	}
	return p
}

func (p *panel) setParent(t *trace.Trace, n *trace.Node, at traceURL) {
	if n.Parent == (index.SpanID{}) {
		return
	}
	parent := t.Span(n.Parent)
	if parent == nil {
		p.ParentMissing = n.Parent.String()
		return
	}
	p.Parent, p.ParentName = at.onSpan(n.Parent.String()).String(), parent.Resource.Service+" "+cut(parent.Name, maxNameBytes)
}

// selfTime is the part of the span during which none of its children ran.
func selfTime(n *trace.Node) time.Duration {
	children := slices.Clone(n.Children)
	slices.SortFunc(children, func(a, b *trace.Node) int { return cmp.Compare(a.Start.UnixNano(), b.Start.UnixNano()) })
	self, at := time.Duration(0), n.Start
	for _, c := range children {
		if gap := minTime(c.Start, n.End).Sub(at); gap > 0 {
			self += gap
		}
		if c.End.After(at) {
			at = c.End
		}
	}
	return self + max(n.End.Sub(at), 0)
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func newEventRow(e trace.Event, start time.Time, service string) eventRow {
	r := eventRow{Offset: offset(e.Time, start), Name: cut(e.Name, maxNameBytes)}
	var rest []trace.Attribute
	for _, a := range e.Attributes {
		switch a.Key {
		case "exception.type":
			r.Type = cut(a.Value.Text(), maxNameBytes)
		case "exception.message":
			r.Message = cut(a.Value.Text(), maxBodyBytes)
		case "exception.stacktrace":
			r.Stack = cut(a.Value.Text(), maxValueBytes)
		default:
			rest = append(rest, a)
		}
	}
	r.Attributes = attributes(rest, service)
	return r
}

func newLinkRow(l trace.Link, own index.TraceID, at traceURL) linkRow {
	r := linkRow{
		Trace: l.Trace.String(), Span: l.Span.String(), Here: l.Trace == own, Attributes: attributes(l.Attributes, ""),
	}
	r.Href = "/trace/" + r.Trace + traceURL{Span: r.Span}.String()
	if r.Here {
		r.Href = at.onSpan(r.Span).String()
	}
	return r
}

// dropped says what the service itself has left out.
func dropped(s *trace.Span) string {
	var parts []string
	add := func(n uint32, one, many string) {
		if n > 0 {
			parts = append(parts, plural(int(n), one, many))
		}
	}
	add(s.DroppedAttributes, "attribute", "attributes")
	add(s.DroppedEvents, "event", "events")
	add(s.DroppedLinks, "link", "links")
	return strings.Join(parts, ", ")
}

// searchFor is the address of a search for an attribute's value; it is empty
// where the search cannot express it.
func searchFor(service, key, value string) string {
	text, ok := quoteTag(key, value)
	if !ok {
		return ""
	}
	return "/?" + url.Values{"service": {service}, "tags": {text}}.Encode()
}

// quoteTag writes what parseTags reads.
func quoteTag(key, value string) (string, bool) {
	splits := func(c rune) bool { return unicode.IsSpace(c) || c == '"' || c == '\'' }
	switch {
	case key == "" || value == "" || strings.Contains(key, "=") || strings.ContainsFunc(key, splits):
		return "", false
	case !strings.ContainsFunc(value, splits):
		return key + "=" + value, true
	case !strings.Contains(value, `"`):
		return key + `="` + value + `"`, true
	case !strings.Contains(value, "'"):
		return key + "='" + value + "'", true
	}
	return "", false
}
