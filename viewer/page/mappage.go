package page

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/waybill-dev/waybill/viewer/graph"
)

// mapPage is the model of the service map: a drawing, and its numbers in
// tables.
type mapPage struct {
	frame
	Lookback   string
	Windows    []choice
	Live       bool
	Error      string
	Since      string
	Span       string // how long the window really is
	Empty      bool   // nothing at all has come so far
	Drawing    drawing
	Calls      []callRow
	Services   []serviceRow
	Left       int // calls that the drawing leaves out
	Everywhere string
}

// traffic is what edges and services have been counted to do.
type traffic struct {
	Calls                      uint64
	Rate, Errors, Median, High string
	Failed                     bool // often enough to be marked
}

// callRow is one edge.
type callRow struct {
	traffic
	From, To, Type, Search string
	FromColour, ToColour   int
}

// serviceRow is one service with what it has served.
type serviceRow struct {
	traffic
	Name, Search string
	Colour       int
}

// notable is the share of failed calls from which an edge is drawn in red.
const notable = 0.01

func (p *Pages) serviceMap(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	lookback := values.Get("lookback")
	if lookback == "" {
		lookback = "15m"
	}
	page := mapPage{
		frame: frame{Title: "Service map", Section: "map"}, Lookback: lookback,
		Windows: choices(windows, lookback), Live: values.Has("live"),
	}
	now := p.now()
	from, _, err := parseWindow(searchForm{Lookback: lookback}, now)
	if err != nil {
		page.Error = err.Error()
		p.render(w, r, http.StatusBadRequest, "map", "frame", page)
		return
	}
	// The graph counts by the minute.
	edges, since := p.engine.Graph(from.Truncate(time.Minute), now)
	page.Empty = p.engine.Stats().Traces == 0
	if lookback != "all" {
		page.Everywhere = "/map?lookback=all"
	}
	page.fill(edges, max(now.Sub(since), time.Second), p.colours())
	page.Since, page.Span = since.UTC().Format("2006-01-02 15:04"), formatDuration(now.Sub(since).Round(time.Second))
	p.render(w, r, http.StatusOK, "map", "frame", page)
}

// fill makes the tables and the drawing of the edges.
func (page *mapPage) fill(edges []graph.Edge, window time.Duration, colours map[string]int) {
	search := func(service string) string {
		return "/?" + url.Values{"service": {service}, "lookback": {page.Lookback}}.Encode()
	}
	for _, e := range edges {
		load := newTraffic(&e.Cell, window)
		if e.Type == graph.Node {
			page.Services = append(page.Services, serviceRow{load, e.To, search(e.To), colours[e.To]})
			continue
		}
		page.Calls = append(page.Calls, callRow{
			traffic: load, From: e.From, To: e.To, Type: e.Type.String(), Search: search(e.From),
			FromColour: colours[e.From], ToColour: colours[e.To],
		})
	}
	page.Drawing, page.Left = newDrawing(edges, window, colours, search)
}

func newTraffic(c *graph.Cell, window time.Duration) traffic {
	return traffic{
		Calls: c.Calls, Rate: formatRate(c.Calls, window), Errors: formatShare(c.Errors, c.Calls),
		Median: formatDuration(c.Quantile(0.5)), High: formatDuration(c.Quantile(0.95)),
		Failed: float64(c.Errors) >= notable*float64(max(c.Calls, 1)),
	}
}

// describe says of one edge in words what the drawing shows.
func (c callRow) describe() string {
	return fmt.Sprintf("%s to %s (%s): %s, %s failed, median %s, 95 %% within %s",
		c.From, c.To, c.Type, c.Rate, c.Errors, c.Median, c.High)
}
