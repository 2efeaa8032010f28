package layered

import (
	"cmp"
	"slices"
)

// item is what stands in a layer: a node, an edge's label, or the place where
// an edge passes through.
type item struct {
	node   int // -1 where it belongs to an edge
	edge   int
	labels bool
	size   Size
	layer  int
	place  int     // in the layer, from the top
	y      float64 // of the middle
	before []*item // neighbours in the layer to the left
	after  []*item // neighbours in the layer to the right
}

// chain is an edge's way through the layers, from left to right.
type chain struct {
	items    []*item // the nodes at both ends included
	reversed bool
}

// layout is the graph while it is being drawn. Nodes stand in even layers,
// labels in odd ones, so that labels have room of their own.
type layout struct {
	nodes  []*item
	chains []chain // by edge; empty where it is not drawn
	layers [][]*item
}

// passHeight is the room that an edge takes where it passes a layer.
const passHeight = 4

func newLayout(nodes []Size, edges []Edge) *layout {
	g := &layout{chains: make([]chain, len(edges))}
	reversed := backEdges(len(nodes), edges)
	ranks := rank(len(nodes), edges, reversed)
	for i, size := range nodes {
		n := &item{node: i, edge: -1, size: size, layer: 2 * ranks[i]}
		g.nodes = append(g.nodes, n)
		g.add(n)
	}
	for i, e := range edges {
		if e.From == e.To {
			continue
		}
		from, to := g.nodes[e.From], g.nodes[e.To]
		if reversed[i] {
			from, to = to, from
		}
		c := chain{items: []*item{from}, reversed: reversed[i]}
		for layer := from.layer + 1; layer < to.layer; layer++ {
			it := &item{node: -1, edge: i, layer: layer, size: Size{0, passHeight}}
			// The label stands beside the caller.
			if (!reversed[i] && layer == from.layer+1) || (reversed[i] && layer == to.layer-1) {
				it.labels, it.size = true, e.Label
			}
			g.add(it)
			c.items = append(c.items, it)
		}
		c.items = append(c.items, to)
		for k := 1; k < len(c.items); k++ {
			a, b := c.items[k-1], c.items[k]
			a.after, b.before = append(a.after, b), append(b.before, a)
		}
		g.chains[i] = c
	}
	return g
}

// add appends the item to its layer.
func (g *layout) add(it *item) {
	for len(g.layers) <= it.layer {
		g.layers = append(g.layers, nil)
	}
	it.place = len(g.layers[it.layer])
	g.layers[it.layer] = append(g.layers[it.layer], it)
}

func (g *layout) items() []*item { return slices.Concat(g.layers...) }

// backEdges finds edges whose reversal leaves no circle: those that lead back
// to where a walk along the edges has come from. The walk begins at nodes that
// nobody calls.
func backEdges(nodes int, edges []Edge) []bool {
	out := make([][]int, nodes)
	called := make([]int, nodes)
	for i, e := range edges {
		if e.From != e.To {
			out[e.From] = append(out[e.From], i)
			called[e.To]++
		}
	}
	starts := make([]int, nodes)
	for i := range starts {
		starts[i] = i
	}
	slices.SortStableFunc(starts, func(a, b int) int {
		return cmp.Or(cmp.Compare(min(called[a], 1), min(called[b], 1)), cmp.Compare(len(out[b]), len(out[a])))
	})
	reversed := make([]bool, len(edges))
	const fresh, open, done = 0, 1, 2
	state := make([]int, nodes)
	next := make([]int, nodes) // how many of a node's edges have been walked
	for _, start := range starts {
		if state[start] != fresh {
			continue
		}
		state[start] = open
		for path := []int{start}; len(path) > 0; {
			n := path[len(path)-1]
			if next[n] == len(out[n]) {
				state[n] = done
				path = path[:len(path)-1]
				continue
			}
			i := out[n][next[n]]
			next[n]++
			switch to := edges[i].To; state[to] {
			case open:
				reversed[i] = true
			case fresh:
				state[to] = open
				path = append(path, to)
			}
		}
	}
	return reversed
}

// rank gives every node the length of the longest way that leads to it.
func rank(nodes int, edges []Edge, reversed []bool) []int {
	ranks := make([]int, nodes)
	for changed := true; changed; {
		changed = false
		for i, e := range edges {
			from, to := e.From, e.To
			if reversed[i] {
				from, to = to, from
			}
			if from != to && ranks[to] <= ranks[from] {
				ranks[to] = ranks[from] + 1
				changed = true
			}
		}
	}
	return ranks
}
