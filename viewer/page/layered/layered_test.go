package layered

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	box   = Size{140, 50}
	label = Size{90, 30}
)

// sizes makes n nodes of slightly different sizes.
func sizes(n int) []Size {
	list := make([]Size, n)
	for i := range list {
		list[i] = Size{box.Width + float64(i%5)*10, box.Height}
	}
	return list
}

func edge(from, to int) Edge { return Edge{from, to, label} }

// check looks for what is wrong with a drawing.
func check(nodes []Size, edges []Edge, d Drawing) error {
	type named struct {
		name string
		box  Box
	}
	var boxes []named
	for i, b := range d.Nodes {
		if b.Size != nodes[i] {
			return fmt.Errorf("node %d has size %v, want %v", i, b.Size, nodes[i])
		}
		boxes = append(boxes, named{fmt.Sprint("node ", i), b})
	}
	for i, r := range d.Routes {
		if edges[i].From == edges[i].To {
			continue
		}
		boxes = append(boxes, named{fmt.Sprint("label ", i), r.Label})
		if len(r.Points) < 2 || len(r.Points)%2 != 0 {
			return fmt.Errorf("route %d has %d points", i, len(r.Points))
		}
		if !touches(d.Nodes[edges[i].From], r.Points[0]) || !touches(d.Nodes[edges[i].To], r.Points[len(r.Points)-1]) {
			return fmt.Errorf("route %d does not lead from node %d to node %d", i, edges[i].From, edges[i].To)
		}
	}
	for i, a := range boxes {
		if a.box.X < 0 || a.box.Y < 0 || a.box.X+a.box.Width > d.Width || a.box.Y+a.box.Height > d.Height {
			return fmt.Errorf("%s lies outside: %+v of %v", a.name, a.box, d.Size)
		}
		for _, b := range boxes[:i] {
			if overlap(a.box, b.box) {
				return fmt.Errorf("%s overlaps %s: %+v, %+v", a.name, b.name, a.box, b.box)
			}
		}
	}
	return nil
}

// touches says that the point lies on the left or the right side of the box.
func touches(b Box, p Point) bool {
	return (p.X == b.X || p.X == b.X+b.Width) && p.Y > b.Y && p.Y < b.Y+b.Height
}

func overlap(a, b Box) bool {
	const rounding = 1e-6
	return a.X+a.Width > b.X+rounding && b.X+b.Width > a.X+rounding &&
		a.Y+a.Height > b.Y+rounding && b.Y+b.Height > a.Y+rounding
}

func TestDraw(t *testing.T) {
	f := func(name string, nodes int, edges ...Edge) {
		t.Helper()
		d := Draw(sizes(nodes), edges)
		if err := check(sizes(nodes), edges, d); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(d, Draw(sizes(nodes), edges)); diff != "" {
			t.Errorf("%s: drawn again, it differs:\n%s", name, diff)
		}
	}
	f("nothing", 0)
	f("one node", 1)
	f("strangers", 3)
	f("one call", 2, edge(0, 1))
	f("itself", 1, edge(0, 0))
	f("twice", 2, edge(0, 1), edge(0, 1))
	f("back and forth", 2, edge(0, 1), edge(1, 0))
	f("a circle", 3, edge(0, 1), edge(1, 2), edge(2, 0))
	f("a diamond with a long edge", 4, edge(0, 1), edge(0, 2), edge(1, 3), edge(2, 3), edge(0, 3))
	f("a wide fan", 30, fan(30)...)
}

func fan(n int) []Edge {
	var edges []Edge
	for i := 1; i < n; i++ {
		edges = append(edges, edge(0, i))
	}
	return edges
}

func TestCalleesStandToTheRight(t *testing.T) {
	edges := []Edge{edge(0, 1), edge(1, 2), edge(0, 2), edge(2, 3)}
	d := Draw(sizes(4), edges)
	for _, e := range edges {
		if from, to := d.Nodes[e.From], d.Nodes[e.To]; to.X < from.X+from.Width {
			t.Errorf("node %d at %v is not to the right of node %d at %v", e.To, to.X, e.From, from.X)
		}
	}
}

func TestUntangleRemovesWhatNeedNotCross(t *testing.T) {
	// Drawn in the order of the numbers, every edge would cross the others.
	edges := []Edge{edge(0, 5), edge(1, 4), edge(2, 3)}
	g := newLayout(sizes(6), edges)
	if got := g.crossings(); got != 3 {
		t.Fatalf("%d edges cross at first, want 3", got)
	}
	g.untangle()
	if got := g.crossings(); got != 0 {
		t.Errorf("%d crossings are left", got)
	}
}

func TestInversions(t *testing.T) {
	f := func(want int, list ...int) {
		t.Helper()
		if got := inversions(list); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
	f(0)
	f(0, 1, 1, 2)
	f(1, 2, 1)
	f(3, 3, 2, 1)
	f(4, 2, 3, 1, 1)
}

func TestRandomGraphsNeverOverlap(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 1 + r.IntN(20)
		edges := make([]Edge, r.IntN(40))
		for i := range edges {
			edges[i] = edge(r.IntN(n), r.IntN(n))
		}
		if err := check(sizes(n), edges, Draw(sizes(n), edges)); err != nil {
			t.Fatalf("seed %d, %d nodes, %v: %v", seed, n, edges, err)
		}
	}
}

func BenchmarkDraw(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	edges := make([]Edge, 300)
	for i := range edges {
		from := r.IntN(99)
		edges[i] = edge(from, from+1+r.IntN(100-from-1))
	}
	b.ReportAllocs()
	for b.Loop() {
		Draw(sizes(100), edges)
	}
}
