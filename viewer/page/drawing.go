package page

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/waybill-dev/waybill/viewer/graph"
	"github.com/waybill-dev/waybill/viewer/page/layered"
)

// drawing is the map as SVG takes it.
type drawing struct {
	Width, Height int
	Nodes         []mapNode
	Edges         []mapEdge
}

// Shrinks says that the drawing is better made smaller than scrolled where it
// is a little wider than the window: its letters stay readable.
func (d drawing) Shrinks() bool { return d.Width > 1100 && d.Width < 1900 }

// mapNode is a box of the map. Index ties it to its edges, for the script.
type mapNode struct {
	Index                    int
	Name, Full, Type, Search string
	Load, Errors             string
	Colour                   int
	X, Y, Width, Height      float64
	Outline                  string // the path of a shape that is no rectangle
}

// TextX, NameY and DetailY are where the node's lines of text stand: a
// cylinder's below its lid.
func (n mapNode) TextX() float64   { return round(n.X + n.Width/2 + 2) }
func (n mapNode) NameY() float64   { return round(n.Y + 21 + n.lid()) }
func (n mapNode) DetailY() float64 { return round(n.Y + 37 + n.lid()/2) }

func (n mapNode) lid() float64 {
	if n.Type == graph.Database.String() {
		return 5
	}
	return 0
}

// mapEdge is an arrow of the map with its label.
type mapEdge struct {
	From, To               int
	Type, Path, Title      string
	Weight                 int // of the line, from 1 to 4
	Failed                 bool
	X, Y, W, H             float64 // of the label
	MiddleX, First, Second float64
	Load, Errors, Times    string
}

// maxEdges is how many edges are drawn; more cannot be read.
const maxEdges = 150

// nodeKey tells a service from, say, a database of the same name.
type nodeKey struct {
	name string
	kind graph.Type
}

// target is what the edge leads to.
func target(e graph.Edge) nodeKey {
	if e.Type == graph.Call || e.Type == graph.Message {
		return nodeKey{e.To, graph.Node}
	}
	return nodeKey{e.To, e.Type}
}

// newDrawing draws the busiest edges and the nodes at their ends; left counts
// the edges that it leaves out.
func newDrawing(edges []graph.Edge, window time.Duration, colours map[string]int, search func(string) string) (d drawing, left int) {
	drawn := busiest(edges)
	var nodes []mapNode
	at := map[nodeKey]int{}
	node := func(key nodeKey) int {
		i, known := at[key]
		if !known {
			i = len(nodes)
			at[key] = i
			nodes = append(nodes, newMapNode(i, key, colours, search))
		}
		return i
	}
	var lines []layered.Edge
	received := map[int]*load{}
	for _, e := range drawn {
		if e.Type == graph.Node {
			i := node(target(e))
			nodes[i].setLoad(load{e.Calls, e.Errors}, window)
			continue
		}
		from, to := node(nodeKey{e.From, graph.Node}), node(target(e))
		made := newMapEdge(e, from, to, window)
		d.Edges = append(d.Edges, made)
		lines = append(lines, layered.Edge{From: from, To: to, Label: layered.Size{Width: made.W, Height: made.H}})
		if received[to] == nil {
			received[to] = &load{}
		}
		received[to].add(e)
	}
	for i, sum := range received {
		if nodes[i].Load == "" {
			nodes[i].setLoad(*sum, window)
		}
	}
	d.Nodes = nodes
	d.place(lines)
	return d, len(edges) - len(drawn)
}

// busiest keeps all nodes that serve, and the edges with the most calls.
func busiest(edges []graph.Edge) []graph.Edge {
	var calls []graph.Edge
	for _, e := range edges {
		if e.Type != graph.Node {
			calls = append(calls, e)
		}
	}
	if len(calls) <= maxEdges {
		return edges
	}
	slices.SortStableFunc(calls, func(a, b graph.Edge) int { return cmp.Compare(b.Calls, a.Calls) })
	kept := map[graph.Key]bool{}
	ends := map[string]bool{}
	for _, e := range calls[:maxEdges] {
		kept[e.Key] = true
		ends[e.From], ends[e.To] = true, true
	}
	return slices.DeleteFunc(slices.Clone(edges), func(e graph.Edge) bool {
		return !kept[e.Key] && (e.Type != graph.Node || !ends[e.To])
	})
}

// load is what a node has been asked.
type load struct{ calls, errors uint64 }

func (l *load) add(e graph.Edge) {
	l.calls += e.Calls
	l.errors += e.Errors
}

// The sizes of what is drawn, in pixels, and about how wide a letter is.
const (
	nodeHeight   = 48
	labelHeight  = 30
	nodeLetter   = 7.6
	detailLetter = 6.4
	labelLetter  = 6.2
	maxName      = 26
)

func newMapNode(i int, key nodeKey, colours map[string]int, search func(string) string) mapNode {
	n := mapNode{Index: i, Name: shorten(key.name), Full: key.name, Type: key.kind.String(), Height: nodeHeight}
	if key.kind == graph.Node {
		n.Type, n.Colour, n.Search = "service", colours[key.name], search(key.name)
	}
	n.Width = math.Max(104, letters(n.Name)*nodeLetter+34)
	return n
}

func (n *mapNode) setLoad(l load, window time.Duration) {
	n.Load = formatRate(l.calls, window)
	if l.errors > 0 {
		n.Errors = formatShare(l.errors, l.calls)
	}
	n.Width = math.Max(n.Width, letters(n.Load+n.Errors)*detailLetter+40)
}

func newMapEdge(e graph.Edge, from, to int, window time.Duration) mapEdge {
	t := newTraffic(&e.Cell, window)
	row := callRow{traffic: t, From: e.From, To: e.To, Type: e.Type.String()}
	made := mapEdge{
		From: from, To: to, Type: e.Type.String(), Title: row.describe(), Failed: t.Failed,
		Weight: weight(float64(e.Calls) / window.Seconds()),
		Load:   t.Rate, Times: t.Median + " · " + t.High, H: labelHeight,
	}
	if e.Errors > 0 {
		made.Errors = t.Errors
	}
	made.W = math.Max(letters(made.Load+made.Errors)+2, letters(made.Times))*labelLetter + 14
	return made
}

// weight grows by one with every tenfold rate from one call in ten seconds on.
func weight(perSecond float64) int {
	return int(min(max(math.Floor(math.Log10(math.Max(perSecond, 1e-9)))+2, 1), 4))
}

func letters(s string) float64 { return float64(utf8.RuneCountInString(s)) }

func shorten(name string) string {
	if letters(name) <= maxName {
		return name
	}
	runes := []rune(name)
	return string(runes[:maxName-1]) + "…"
}

// place puts everything where the layout has it.
func (d *drawing) place(lines []layered.Edge) {
	sizes := make([]layered.Size, len(d.Nodes))
	for i, n := range d.Nodes {
		sizes[i] = layered.Size{Width: n.Width, Height: n.Height}
	}
	laid := layered.Draw(sizes, lines)
	d.Width, d.Height = int(math.Ceil(laid.Width)), int(math.Ceil(laid.Height))
	for i := range d.Nodes {
		n := &d.Nodes[i]
		n.X, n.Y = round(laid.Nodes[i].X), round(laid.Nodes[i].Y)
		n.Outline = shape(*n)
	}
	for i := range d.Edges {
		e, r := &d.Edges[i], laid.Routes[i]
		e.X, e.Y, e.W = round(r.Label.X), round(r.Label.Y), round(e.W)
		e.MiddleX, e.First, e.Second = round(r.Label.Centre().X), e.Y+12, e.Y+25
		e.Path = curve(r.Points)
	}
}

// curve leads through the points: bent between layers, level within them.
func curve(points []layered.Point) string {
	if len(points) == 0 {
		return ""
	}
	var b strings.Builder
	write := func(parts ...string) { b.WriteString(strings.Join(parts, "")) }
	pair := func(x, y float64) string { return decimal(x) + " " + decimal(y) }
	write("M", pair(points[0].X, points[0].Y))
	for i := 1; i < len(points); i++ {
		from, to := points[i-1], points[i]
		if i%2 == 0 {
			write("L", pair(to.X, to.Y))
			continue
		}
		bend := (to.X - from.X) / 2
		write("C", pair(from.X+bend, from.Y), " ", pair(to.X-bend, to.Y), " ", pair(to.X, to.Y))
	}
	return b.String()
}

// shape is the outline of nodes that are no services: databases are cylinders,
// queues lie on their side.
func shape(n mapNode) string {
	x, y, w, h := decimal(n.X), decimal(n.Y), decimal(n.Width), n.Height
	switch n.Type {
	case "database":
		half := decimal(n.Width / 2)
		return "M" + x + " " + decimal(n.Y+6) + "a" + half + " 6 0 0 1 " + w + " 0v" + decimal(h-12) +
			"a" + half + " 6 0 0 1 -" + w + " 0zm0 0a" + half + " 6 0 0 0 " + w + " 0"
	case "queue":
		half, inner := decimal(h/2), decimal(n.Width-16)
		return "M" + decimal(n.X+8) + " " + y + "h" + inner + "a8 " + half + " 0 0 1 0 " + decimal(h) + "h-" + inner +
			"a8 " + half + " 0 0 1 0 -" + decimal(h) + "zm" + inner + " 0a8 " + half + " 0 0 0 0 " + decimal(h)
	}
	return ""
}

func round(f float64) float64 { return math.Round(f*10) / 10 }
