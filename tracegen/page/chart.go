package page

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// The measures of a chart, in pixels of its own, which the page scales.
const (
	chartWidth, chartHeight         = 640, 240
	leftMargin, rightMargin         = 64, 12
	topMargin, bottomMargin         = 12, 34
	plotWidth                       = chartWidth - leftMargin - rightMargin
	plotHeight                      = chartHeight - topMargin - bottomMargin
	mostDots                        = 120 // a line of more points has no dots
	gridLines                       = 4
	mostMarks                       = 8
	tooSmall                float64 = 1e-6
)

// chart is lines over one axis, as SVG.
type chart struct {
	Title, Note string
	Lines       []line
	// x and y write a value on its axis.
	x, y func(float64) string
	// logarithmic is of the y axis.
	logarithmic bool
	// names stand for ticks of the x axis, where they are given.
	names []string
}

// line is one row of points in a colour that the page's style has.
type line struct {
	Name   string
	Class  string
	points []point
}

type point struct{ x, y float64 }

// bounds are what an axis shows.
type bounds struct{ low, high float64 }

func (b bounds) share(v float64) float64 {
	if b.high <= b.low {
		return 0
	}
	return (v - b.low) / (b.high - b.low)
}

// axis is y as it is drawn: its logarithm, or itself.
func (c chart) axis(y float64) float64 {
	if c.logarithmic {
		return math.Log10(max(y, tooSmall))
	}
	return y
}

func (c chart) bounds() (x, y bounds) {
	x, y = bounds{0, 0}, bounds{math.Inf(1), math.Inf(-1)}
	for _, l := range c.Lines {
		for _, p := range l.points {
			x.high = max(x.high, p.x)
			v := c.axis(p.y)
			y.low, y.high = min(y.low, v), max(y.high, v)
		}
	}
	if c.logarithmic {
		y.low, y.high = math.Floor(y.low), max(math.Ceil(y.high), math.Floor(y.low)+1)
	} else {
		y.low, y.high = 0, niceCeiling(y.high)
	}
	return x, y
}

// niceCeiling is the next number that divides well by gridLines.
func niceCeiling(v float64) float64 {
	if v <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, factor := range []float64{1, 2, 4, 6, 8, 10} {
		if v <= factor*unit {
			return factor * unit
		}
	}
	return 10 * unit
}

// niceStep is the least of 1, 2 and 5, and of their tenfolds, that is not
// below v.
func niceStep(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(max(v, tooSmall))))
	for _, factor := range []float64{1, 2, 5} {
		if v <= factor*unit {
			return factor * unit
		}
	}
	return 10 * unit
}

// SVG draws the chart. Texts are escaped; all else are numbers.
func (c chart) SVG() template.HTML {
	var out strings.Builder
	fmt.Fprintf(&out, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, chartWidth, chartHeight, template.HTMLEscapeString(c.Title))
	xs, ys := c.bounds()
	place := func(p point) (x, y float64) {
		return leftMargin + plotWidth*xs.share(p.x), topMargin + plotHeight*(1-ys.share(c.axis(p.y)))
	}
	c.grid(&out, xs, ys)
	for _, l := range c.Lines {
		fmt.Fprintf(&out, `<polyline class="%s" points="`, l.Class)
		for _, p := range l.points {
			x, y := place(p)
			fmt.Fprintf(&out, "%.1f,%.1f ", x, y)
		}
		out.WriteString(`"/>`)
		if len(l.points) > mostDots {
			continue
		}
		for i, p := range l.points {
			x, y := place(p)
			fmt.Fprintf(&out, `<circle class="%s" cx="%.1f" cy="%.1f" r="2.5"><title>%s</title></circle>`, l.Class, x, y,
				template.HTMLEscapeString(fmt.Sprintf("%s at %s: %s", l.Name, c.tick(i, p.x), c.y(p.y))))
		}
	}
	out.WriteString("</svg>")
	return template.HTML(out.String()) //nolint:gosec // texts are escaped above, and all else are numbers
}

// tick writes point i's place on the x axis.
func (c chart) tick(i int, x float64) string {
	if i < len(c.names) {
		return c.names[i]
	}
	return c.x(x)
}

// grid draws the lines behind, with what they stand for.
func (c chart) grid(out *strings.Builder, xs, ys bounds) {
	steps := gridLines
	if c.logarithmic {
		steps = int(ys.high - ys.low)
	}
	for i := range steps + 1 {
		v := ys.low + (ys.high-ys.low)*float64(i)/float64(steps)
		y := topMargin + plotHeight*(1-ys.share(v))
		if c.logarithmic {
			v = math.Pow(10, v)
		}
		fmt.Fprintf(out, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`,
			leftMargin, chartWidth-rightMargin, y, y, leftMargin-8, y+4, template.HTMLEscapeString(c.y(v)))
	}
	mark := func(x float64, text string) {
		fmt.Fprintf(out, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`,
			leftMargin+plotWidth*xs.share(x), chartHeight-bottomMargin+20, template.HTMLEscapeString(text))
	}
	if len(c.names) > 0 {
		for i, name := range c.names {
			mark(float64(i), name)
		}
		return
	}
	for step, i := niceStep(xs.high/mostMarks), 0.0; i*step <= xs.high; i++ {
		mark(i*step, c.x(i*step))
	}
}
