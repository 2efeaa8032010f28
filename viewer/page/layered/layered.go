// Package layered draws directed graphs in layers from left to right, as
// Sugiyama, Tagawa and Toda described it: circles are broken, every node gets
// a layer behind its callers, long edges are led through the layers between,
// the order within the layers is chosen for few crossings, and the heights for
// straight lines. The same graph is always drawn in the same way.
package layered

import "math"

// Size is the room that a node or a label takes.
type Size struct{ Width, Height float64 }

// Edge leads from one node to another, by their index. An edge from a node to
// itself is not drawn.
type Edge struct {
	From, To int
	Label    Size
}

// Point is a place in the drawing; y grows downwards.
type Point struct{ X, Y float64 }

// Box is where a node or a label lies: its upper left corner and its size.
type Box struct {
	X, Y float64
	Size
}

// Centre is the middle of the box.
func (b Box) Centre() Point { return Point{b.X + b.Width/2, b.Y + b.Height/2} }

// Route is an edge's way from its From to its To. Between Points[2i] and
// Points[2i+1] it bends, from there to Points[2i+2] it runs level.
type Route struct {
	Points []Point
	Label  Box
}

// Drawing is the graph with everything in its place. No two boxes, nodes' or
// labels', overlap.
type Drawing struct {
	Size
	Nodes  []Box
	Routes []Route
}

// The distances between what is drawn.
const (
	marginGap = 12.0
	layerGap  = 32.0
	itemGap   = 14.0
)

// Draw places nodes and edges.
func Draw(nodes []Size, edges []Edge) Drawing {
	g := newLayout(nodes, edges)
	g.untangle()
	g.level()
	d := Drawing{Nodes: make([]Box, len(nodes)), Routes: make([]Route, len(edges))}
	left := marginGap
	columns := make([]Box, len(g.layers))
	for i, layer := range g.layers {
		for _, it := range layer {
			columns[i].Width = math.Max(columns[i].Width, it.size.Width)
		}
		columns[i].X = left
		left += columns[i].Width + layerGap
	}
	d.Width = math.Max(left-layerGap, 0) + marginGap
	top := math.Inf(1)
	for _, it := range g.items() {
		top = math.Min(top, it.y-it.size.Height/2)
	}
	for _, it := range g.items() {
		it.y += marginGap - top
		d.Height = math.Max(d.Height, it.y+it.size.Height/2+marginGap)
		column := columns[it.layer]
		box := Box{column.X + (column.Width-it.size.Width)/2, it.y - it.size.Height/2, it.size}
		switch {
		case it.node >= 0:
			d.Nodes[it.node] = box
		case it.labels:
			d.Routes[it.edge].Label = box
		}
	}
	g.route(&d, columns)
	return d
}
