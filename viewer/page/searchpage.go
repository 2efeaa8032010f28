package page

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/query"
)

// searchPage is the model of the search: the form as it was sent, and what it
// found.
type searchPage struct {
	frame
	Form       searchForm
	Services   []string
	Operations []string
	Windows    []choice
	Limits     []choice
	Orders     []choice
	Error      string
	Empty      bool // nothing at all has come so far
	Rows       []searchRow
	Summary    string
	Until      string // where a search gave up
	Older      string // the query of the next page
	Pinned     string // the query with the window made absolute
	Wider      string // the query without a window
	Scatter    scatter
	Held       string
	Behind     string // why what has come may not be found yet
}

type choice struct {
	Value, Label string
	Selected     bool
}

// searchRow is one trace found.
type searchRow struct {
	Link, Service, Operation, Duration, Share string
	Day, Clock, Stamp, ISO                    string // Day only where it is not today
	Colour, Spans, Errors                     int
	Rooted                                    bool
	Chips                                     []chip
	More                                      int
}

// chip is a service with its number of spans, and in a trace the address that
// finds them.
type chip struct {
	Name, Find            string
	Colour, Spans, Errors int
}

// Count says how many spans there are.
func (c chip) Count() string { return plural(c.Spans, "span", "spans") }

// maxChips is how many services a row shows by name.
const maxChips = 9

func (p *Pages) search(w http.ResponseWriter, r *http.Request) {
	form, q, err := parseForm(r.URL.Query(), p.now())
	page := searchPage{
		frame: frame{Title: "Traces", Section: "search"}, Form: form,
		Services: p.engine.Services(), Operations: p.operationNames(form.Service),
		Windows: choices(windows, form.Lookback), Limits: choices(limits, form.Limit),
		Orders: choices(orders, form.Sort),
	}
	if form.Service != "" && !slices.Contains(page.Services, form.Service) {
		page.Services = append(page.Services, form.Service) // keep what was asked for
	}
	if form.Operation != "" && !slices.Contains(page.Operations, form.Operation) {
		page.Operations = append(page.Operations, form.Operation)
	}
	if err != nil {
		page.Error = err.Error()
		p.render(w, r, http.StatusBadRequest, "search", "frame", page)
		return
	}
	result, err := p.engine.Search(r.Context(), q)
	if err != nil {
		p.broken(w, r, err)
		return
	}
	stats := p.engine.Stats()
	page.Empty = stats.Traces == 0
	page.Behind = p.behind()
	page.Held = plural(stats.Traces, "trace", "traces") + " in the index"
	page.fill(result, q, r.URL.Query(), p.colours())
	page.Wider = wider(r.URL.Query())
	p.render(w, r, http.StatusOK, "search", "frame", page)
}

// muchBehind is how far the index may be behind the journal, in its unit,
// before a page says so.
const muchBehind = 8 << 20

// behind says why what has come may not be found yet; mostly it is empty.
func (p *Pages) behind() string {
	switch progress := p.engine.Progress(); {
	case progress.Fault != nil:
		return "The journal cannot be read at the moment; the viewer's log says why."
	case progress.Behind > muchBehind:
		return fmt.Sprintf("The index is still being built: %d MiB of the journal are left to read.", progress.Behind>>20)
	}
	return ""
}

func (p *Pages) operationNames(service string) []string {
	var names []string
	for _, op := range p.engine.Operations(service) {
		names = append(names, op.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// fill makes rows, the scatter plot and the links of what was found.
func (page *searchPage) fill(result query.Result, q query.Query, values url.Values, colours map[string]int) {
	var longest time.Duration
	for _, t := range result.Traces {
		longest = max(longest, t.Duration())
	}
	for _, t := range inOrder(result.Traces, page.Form.Sort) {
		page.Rows = append(page.Rows, newRow(t, longest, q.To, colours))
	}
	page.Summary = plural(len(page.Rows), "trace", "traces")
	page.Scatter = newScatter(result.Traces, q, colours)
	if !result.Until.IsZero() {
		page.Until = formatStamp(result.Until)
	}
	if len(result.Traces) == q.Limit {
		page.Summary = "newest " + page.Summary
		last := result.Traces[len(result.Traces)-1].Start
		page.Older = withWindow(values, q.From, last.Add(-time.Microsecond))
	}
	page.Pinned = withWindow(values, q.From, q.To)
}

// withWindow is the query with an absolute window in place of a relative one.
func withWindow(values url.Values, from, to time.Time) string {
	out := url.Values{}
	for key, v := range values {
		if key != "lookback" && key != "live" {
			out[key] = v
		}
	}
	out.Del("from")
	if !from.IsZero() {
		out.Set("from", from.UTC().Format(time.RFC3339Nano))
	}
	out.Set("to", to.UTC().Format(time.RFC3339Nano))
	return "/?" + out.Encode()
}

// wider is the query over all time; empty when it is already.
func wider(values url.Values) string {
	if values.Get("lookback") == "all" && !values.Has("from") && !values.Has("to") {
		return ""
	}
	out := maps.Clone(values)
	out.Del("from")
	out.Del("to")
	out.Set("lookback", "all")
	return "/?" + out.Encode()
}

// inOrder sorts a copy: what was found is the newest in any order.
func inOrder(traces []index.Summary, order string) []index.Summary {
	sorted := slices.Clone(traces)
	slices.SortStableFunc(sorted, func(a, b index.Summary) int {
		switch order {
		case "longest":
			return cmp.Compare(b.Duration(), a.Duration())
		case "spans":
			return cmp.Compare(b.Spans, a.Spans)
		case "errors":
			return cmp.Compare(b.Errors, a.Errors)
		}
		return 0
	})
	return sorted
}

func newRow(t index.Summary, longest time.Duration, now time.Time, colours map[string]int) searchRow {
	row := searchRow{
		Link: "/trace/" + t.ID.String(), Clock: formatClock(t.Start), Stamp: formatStamp(t.Start),
		ISO:     t.Start.UTC().Format(time.RFC3339Nano),
		Service: t.RootService, Operation: cut(t.RootOperation, maxNameBytes), Rooted: t.Rooted, Colour: colours[t.RootService],
		Duration: formatDuration(t.Duration()), Share: percent(max(t.Duration(), longest/200), longest),
		Spans: t.Spans, Errors: t.Errors,
	}
	if day := t.Start.UTC().Format(time.DateOnly); day != now.UTC().Format(time.DateOnly) {
		row.Day = day
	}
	for _, s := range t.Services {
		row.Chips = append(row.Chips, chip{Name: s.Name, Colour: colours[s.Name], Spans: s.Spans, Errors: s.Errors})
	}
	slices.SortFunc(row.Chips, func(a, b chip) int {
		return cmp.Or(boolFirst(a.Name == t.RootService, b.Name == t.RootService), cmp.Compare(a.Name, b.Name))
	})
	if len(row.Chips) > maxChips {
		row.More = len(row.Chips) - maxChips
		row.Chips = row.Chips[:maxChips]
	}
	return row
}

func boolFirst(a, b bool) int {
	switch {
	case a && !b:
		return -1
	case b && !a:
		return 1
	}
	return 0
}

// goTo leads from the field in the page's head to a trace.
func (p *Pages) goTo(w http.ResponseWriter, r *http.Request) {
	text := strings.TrimSpace(r.FormValue("id"))
	id, err := index.ParseTraceID(text)
	if err != nil {
		p.fail(w, r, http.StatusBadRequest, "This is no trace id", "“"+text+"”: "+err.Error()+".")
		return
	}
	redirect(w, r, "/trace/"+id.String())
}

func choices(all []choice, selected string) []choice {
	out := slices.Clone(all)
	known := false
	for i := range out {
		out[i].Selected = out[i].Value == selected
		known = known || out[i].Selected
	}
	if !known && selected != "" {
		out = append(out, choice{selected, selected, true})
	}
	return out
}
