package page

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/query"
	"github.com/waybill-dev/waybill/viewer/trace"
)

// tracePage is the model of one trace's page.
type tracePage struct {
	frame
	ID, Service, Name, Start, Duration string
	Colour, Spans, Services            int
	Errors, Depth                      int
	Chips                              []chip
	More                               int // services without a chip
	Notices                            []string
	URL                                traceURL
	SpansTab, LogsTab                  string
	Focus                              *focus
	Axis                               []gridLine
	Whole                              int64 // nanoseconds
	Minimap                            []stroke
	Context, Rows                      []row
	Pager                              pager
	Hits                               steps
	Failed                             steps
	Panel                              *panel
	Logs                               logList
	Critical                           bool
	Fresh                              bool // more may still come
}

// focus says which subtree is shown alone.
type focus struct{ Service, Name, All string }

// pager leads through a waterfall that is too long for one page.
type pager struct {
	Pages, Page, From, To, Of int
	Prev, Next                string
}

// First is the number of the page's first line, from 1.
func (p pager) First() int { return p.From + 1 }

// steps leads from the selected span to the next one of its kind.
type steps struct {
	Count      int
	Prev, Next string
}

// freshFor is how long after a trace's end its page looks out for more of it:
// services send late, and what a message sets off comes later still.
const freshFor = time.Minute

func (p *Pages) trace(w http.ResponseWriter, r *http.Request) {
	t, ok := p.open(w, r)
	if !ok {
		return
	}
	if id := t.ID.String(); r.PathValue("id") != id {
		target := "/trace/" + id
		if r.URL.RawQuery != "" {
			target += "?" + r.URL.RawQuery
		}
		redirect(w, r, target)
		return
	}
	page := newTracePage(t, parseTraceURL(r.URL.Query()), p.colours())
	_, end := t.Bounds()
	page.Fresh = p.now().Sub(end) < freshFor
	p.render(w, r, http.StatusOK, "trace", "frame", page)
}

// open reads the trace that the address names, or answers why it cannot.
func (p *Pages) open(w http.ResponseWriter, r *http.Request) (*trace.Trace, bool) {
	id, err := index.ParseTraceID(r.PathValue("id"))
	if err != nil {
		p.fail(w, r, http.StatusBadRequest, "This is no trace id", "“"+r.PathValue("id")+"”: "+err.Error()+".")
		return nil, false
	}
	t, err := p.engine.Open(r.Context(), id)
	switch {
	case errors.Is(err, query.ErrNotFound):
		p.fail(w, r, http.StatusNotFound, "This trace is not here",
			"Nothing of trace "+id.String()+" is in the journal. It may not have come yet: services send their spans "+
				"a few seconds late. It may not have been sampled. Or it is so old that its records have been deleted. "+p.behind())
		return nil, false
	case err != nil:
		p.broken(w, r, err)
		return nil, false
	}
	return t, true
}

func newTracePage(t *trace.Trace, url traceURL, colours map[string]int) tracePage {
	roots := t.Tree()
	page := tracePage{
		frame: frame{Title: "Trace " + t.ID.String()[:8], Section: "trace"},
		ID:    t.ID.String(), URL: url, Spans: len(t.Spans), Chips: serviceChips(t, url, colours), Notices: notices(t),
		SpansTab: url.withView("").String(), LogsTab: url.withView("logs").String(),
	}
	page.Services = len(page.Chips)
	page.Chips = page.Chips[:min(page.Services, maxTraceChips)]
	page.More = page.Services - len(page.Chips)
	for _, s := range t.Spans {
		if s.Failed() {
			page.Errors++
		}
	}
	start, end := t.Bounds()
	page.Start, page.Duration = formatStamp(start), formatDuration(end.Sub(start))
	if len(roots) > 0 {
		first := leading(roots)
		page.Service, page.Name, page.Colour = cut(first.Resource.Service, maxNameBytes), cut(first.Name, maxNameBytes), colours[first.Resource.Service]
		page.Title = page.Service + " " + page.Name
	}
	lines := outline(roots)
	for _, l := range lines {
		page.Depth = max(page.Depth, l.level)
	}
	page.Logs = newLogList(t, start, colours, url)
	if url.View == "logs" {
		return page
	}
	page.showSpans(t, roots, lines, colours)
	return page
}

// leading is the span that names the trace: the first root, or the earliest
// span where no root has come.
func leading(roots []*trace.Node) *trace.Node {
	if i := slices.IndexFunc(roots, func(n *trace.Node) bool { return !n.Orphan }); i >= 0 {
		return roots[i]
	}
	return roots[0]
}

// showSpans fills in the waterfall and the panel.
func (page *tracePage) showSpans(t *trace.Trace, roots []*trace.Node, lines []line, colours map[string]int) {
	url := page.URL
	start, end := t.Bounds()
	if id, err := index.ParseSpanID(url.Root); err == nil {
		if root := trace.Find(roots, id); root != nil {
			roots, lines = []*trace.Node{root}, appendTree(nil, root, 1, false)
			start, end = (&trace.Trace{Spans: spansOf(root)}).Bounds()
			page.Focus = &focus{root.Resource.Service, root.Name, url.withRoot("").String()}
		}
	}
	w := waterfall{
		start: start, whole: max(end.Sub(start), 1), colours: colours, url: url,
		critical: criticalPath(roots), finder: newFinder(url.Find, t.Logs),
	}
	page.Whole = w.whole.Nanoseconds()
	page.Axis, page.Minimap, page.Critical = w.axis(), w.minimap(lines), len(w.critical) > 0
	page.Hits = newSteps(lines, url, w.finder.fits)
	page.Failed = newSteps(lines, url, (*trace.Span).Failed)
	page.Pager = newPager(lines, url)
	shown := lines[page.Pager.From:page.Pager.To]
	if len(shown) > 0 {
		for _, l := range ancestors(lines, page.Pager.From, maxContext) {
			r := w.row(l)
			r.Context = true
			if l.node != nil {
				r.Link = url.onSpan(r.ID).String() // it is not on this page
			}
			page.Context = append(page.Context, r)
		}
	}
	for _, l := range shown {
		page.Rows = append(page.Rows, w.row(l))
	}
	if id, err := index.ParseSpanID(url.Span); err == nil {
		page.Panel = newPanel(t, roots, id, url, colours)
	}
}

func spansOf(root *trace.Node) []*trace.Span {
	var spans []*trace.Span
	each(root, func(n *trace.Node) { spans = append(spans, n.Span) })
	return spans
}

// newPager shows the page that was asked for, else the one that holds the
// selected span, else the first.
func newPager(lines []line, url traceURL) pager {
	p := pager{Pages: max((len(lines)+maxRows-1)/maxRows, 1), Page: url.Page, Of: len(lines)}
	if p.Page == 0 {
		p.Page = pageOf(max(position(lines, url.Span), 0))
	}
	p.Page = min(p.Page, p.Pages)
	p.From, p.To = (p.Page-1)*maxRows, min(p.Page*maxRows, len(lines))
	if p.Page > 1 {
		p.Prev = url.onPage(p.Page - 1).String()
	}
	if p.Page < p.Pages {
		p.Next = url.onPage(p.Page + 1).String()
	}
	return p
}

func pageOf(at int) int { return at/maxRows + 1 }

// position is where the span stands in the outline; -1 when it does not.
func position(lines []line, span string) int {
	id, err := index.ParseSpanID(span)
	if err != nil {
		return -1
	}
	return slices.IndexFunc(lines, func(l line) bool { return l.node != nil && l.node.ID == id })
}

// newSteps finds the spans before and after the selected one; beyond the last
// comes the first again.
func newSteps(lines []line, url traceURL, fits func(*trace.Span) bool) steps {
	var found []int
	for i, l := range lines {
		if l.node != nil && fits(l.node.Span) {
			found = append(found, i)
		}
	}
	s := steps{Count: len(found)}
	if len(found) == 0 {
		return s
	}
	at := position(lines, url.Span)
	next, exact := slices.BinarySearch(found, at)
	prev := (next - 1 + len(found)) % len(found)
	if exact {
		next++
	}
	link := func(i int) string { return url.onSpan(lines[found[i]].node.ID.String()).String() }
	s.Prev, s.Next = link(prev), link(next%len(found))
	return s
}

// maxTraceChips is how many services the head of a trace's page names.
const maxTraceChips = 40

// serviceChips counts each service's spans, in the order in which they begin.
func serviceChips(t *trace.Trace, url traceURL, colours map[string]int) []chip {
	var chips []chip
	at := map[string]int{}
	for _, s := range t.Spans {
		name := s.Resource.Service
		i, known := at[name]
		if !known {
			i = len(chips)
			at[name] = i
			chips = append(chips, chip{Name: cut(name, maxNameBytes), Colour: colours[name], Find: url.withFind(name).String()})
		}
		chips[i].Spans++
		if s.Failed() {
			chips[i].Errors++
		}
	}
	return chips
}

// notices says what is not whole about the trace.
func notices(t *trace.Trace) []string {
	var list []string
	if len(t.Spans) == 0 {
		list = append(list, "No span of this trace has come, only logs that carry its id.")
	}
	if t.Gone > 0 {
		list = append(list, plural(t.Gone, "record that held a part of this trace has", "records that held parts of this trace have")+
			" been deleted from the journal, so spans or logs may be missing.")
	}
	if t.Cut > 0 {
		list = append(list, "This trace is too large to be read whole: "+strconv.Itoa(t.Cut)+" of its spans and logs were left out.")
	}
	return list
}

// offset shows a time as a distance from the start of the trace.
func offset(at, start time.Time) string {
	d := at.Sub(start)
	if d < 0 {
		return "−" + formatDuration(-d)
	}
	return formatDuration(d)
}
