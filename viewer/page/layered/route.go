package layered

import (
	"cmp"
	"math"
	"slices"
)

// portGap is how far apart edges meet a node at most.
const portGap = 9.0

// route draws every chain from its left end to its right end, and turns those
// round that were reversed.
func (g *layout) route(d *Drawing, columns []Box) {
	leave := g.ports(func(c chain) (end, next *item) { return c.items[0], c.items[1] })
	arrive := g.ports(func(c chain) (end, next *item) { return c.items[len(c.items)-1], c.items[len(c.items)-2] })
	for i, c := range g.chains {
		if len(c.items) == 0 {
			continue
		}
		first, last := d.Nodes[c.items[0].node], d.Nodes[c.items[len(c.items)-1].node]
		points := []Point{{first.X + first.Width, leave[i]}}
		for _, it := range c.items[1 : len(c.items)-1] {
			column := columns[it.layer]
			points = append(points, Point{column.X, it.y}, Point{column.X + column.Width, it.y})
		}
		points = append(points, Point{last.X, arrive[i]})
		if c.reversed {
			slices.Reverse(points)
		}
		d.Routes[i].Points = points
	}
}

// ports spreads the edges that meet a node over its side, in the order in
// which they come, and tells each edge's height there.
func (g *layout) ports(end func(chain) (end, next *item)) []float64 {
	heights := make([]float64, len(g.chains))
	at := map[*item][]int{}
	for i, c := range g.chains {
		if len(c.items) > 0 {
			node, _ := end(c)
			at[node] = append(at[node], i)
		}
	}
	for node, edges := range at {
		slices.SortStableFunc(edges, func(a, b int) int {
			_, first := end(g.chains[a])
			_, second := end(g.chains[b])
			return cmp.Compare(first.y, second.y)
		})
		gap := math.Min(portGap, node.size.Height*0.7/float64(len(edges)))
		for k, edge := range edges {
			heights[edge] = node.y + (float64(k)-float64(len(edges)-1)/2)*gap
		}
	}
	return heights
}
