package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/trace"
)

const (
	// maxRows is how many lines of a waterfall one page shows.
	maxRows = 1000
	// maxIndent is the deepest level that is still drawn further in.
	maxIndent = 24
	// maxContext is how many ancestors a page repeats above its first line.
	maxContext = 8
	// maxTicks is how many events a bar marks.
	maxTicks = 20
	// maxNameBytes is how much of a span's name a line shows.
	maxNameBytes = 300
)

// row is one line of the waterfall.
type row struct {
	ID, Link, Service, Name, Duration string
	Full                              string // the name, where Name is short for it
	X, Width                          string // of the bar
	TextX, Anchor                     string // of the duration beside it
	Ticks                             []tick
	Colour, Level, Indent             int
	Below, ErrorsBelow                int
	Failed, Critical, Hit, Selected   bool
	Context                           bool // repeated from an earlier page
	Missing                           string
	Circle                            bool
}

// tick marks an event on a bar.
type tick struct {
	X, Name   string
	Exception bool
}

// waterfall turns lines into rows.
type waterfall struct {
	start    time.Time
	whole    time.Duration
	colours  map[string]int
	critical map[index.SpanID]bool
	finder   finder
	url      traceURL
}

func (w waterfall) row(l line) row {
	r := row{Level: l.level, Indent: min(l.level-1, maxIndent), Below: l.size, Circle: l.circle}
	if l.node == nil {
		r.Missing = l.missing.String()
		return r
	}
	s := l.node.Span
	id := s.ID.String()
	r.ID, r.Link, r.Service, r.Name = id, w.url.withSpan(id).String(), cut(s.Resource.Service, maxNameBytes), shortName(cut(s.Name, maxNameBytes))
	if r.Name != s.Name {
		r.Full = cut(s.Name, maxNameBytes)
	}
	r.Duration = formatDuration(s.Duration())
	r.Colour, r.Failed, r.Critical = w.colours[s.Resource.Service], s.Failed(), w.critical[s.ID]
	r.Hit, r.Selected = w.finder.fits(s), id == w.url.Span
	if r.ErrorsBelow = l.node.Errors; r.Failed {
		r.ErrorsBelow--
	}
	from, took := s.Start.Sub(w.start), s.Duration()
	r.X, r.Width = percent(from, w.whole), percent(max(took, w.whole/50_000), w.whole)
	r.TextX, r.Anchor = w.label(from, took)
	for _, e := range s.Events[:min(len(s.Events), maxTicks)] {
		r.Ticks = append(r.Ticks, tick{percent(e.Time.Sub(w.start), w.whole), cut(e.Name, maxNameBytes), e.Name == "exception"})
	}
	return r
}

// shortName leaves a remote procedure's package out: what tells it from the
// others stands at the end of its name, where a narrow column cuts it off.
func shortName(name string) string {
	slash := strings.LastIndexByte(name, '/')
	if slash < 1 || strings.ContainsAny(name, " :") || name[0] == '/' {
		return name
	}
	return name[strings.LastIndexByte(name[:slash], '.')+1:]
}

// label places the duration to the right of the bar, or to its left, or into
// it, where there is room.
func (w waterfall) label(from, took time.Duration) (x, anchor string) {
	switch before, after := float64(from)/float64(w.whole), float64(from+took)/float64(w.whole); {
	case after < 0.88:
		return percent(from+took, w.whole), "after"
	case before > 0.12:
		return percent(from, w.whole), "before"
	}
	return percent(min(from+took, w.whole), w.whole), "in"
}

// axis divides the time into round steps.
func (w waterfall) axis() []gridLine {
	var ticks []gridLine
	step := niceStep(w.whole, 6)
	for at := time.Duration(0); at <= w.whole; at += step {
		label := ""
		if float64(at) < 0.92*float64(w.whole) {
			label = formatDuration(at)
		}
		ticks = append(ticks, gridLine{percent(at, w.whole), label})
	}
	return ticks
}

// stroke is all that the minimap draws in one colour.
type stroke struct {
	Class, Path string
}

// The minimap's own units.
const (
	mapWidth  = 1000
	mapHeight = 48
)

// minimap draws every line of the outline as a stroke, each at its height,
// failed spans over the others.
func (w waterfall) minimap(lines []line) []stroke {
	paths := make([]strings.Builder, paletteSize+1)
	for i, l := range lines {
		if l.node == nil {
			continue
		}
		s := l.node.Span
		to := w.colours[s.Resource.Service]
		if s.Failed() {
			to = paletteSize
		}
		x := float64(s.Start.Sub(w.start)) / float64(w.whole) * mapWidth
		length := math.Max(float64(s.Duration())/float64(w.whole)*mapWidth, 1)
		y := (float64(i) + 0.5) / float64(len(lines)) * mapHeight
		fmt.Fprintf(&paths[to], "M%s %sh%s", decimal(x), decimal(y), decimal(length))
	}
	var strokes []stroke
	for i := range paths {
		class := "c" + strconv.Itoa(i)
		if i == paletteSize {
			class = "failed"
		}
		if paths[i].Len() > 0 {
			strokes = append(strokes, stroke{class, paths[i].String()})
		}
	}
	return strokes
}

// decimal writes a coordinate with one digit after the point.
func decimal(f float64) string { return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64) }

// criticalPath marks the spans that the outermost spans waited for. A single
// span, or a trace whose root is missing, has none worth showing.
func criticalPath(roots []*trace.Node) map[index.SpanID]bool {
	marked := map[index.SpanID]bool{}
	for _, root := range roots {
		if !root.Orphan && root.Size > 1 {
			for id := range trace.Critical(root) {
				marked[id] = true
			}
		}
	}
	return marked
}
