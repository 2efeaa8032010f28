package trace

import (
	"slices"
	"time"

	"github.com/waybill-dev/waybill/viewer/index"
)

// Node is a span in its trace's tree.
type Node struct {
	*Span
	// Depth is 0 for roots.
	Depth    int
	Children []*Node
	// Orphan says that the span names a parent that has not come.
	Orphan bool
	// Size counts the spans of the subtree, Errors the failed ones among
	// them, the node's own included.
	Size, Errors int
}

// Tree arranges the spans by parent; children are sorted by start. Spans
// without a parent, or whose parent is missing, are roots; where parents form
// a circle, its earliest span is one.
func (t *Trace) Tree() []*Node {
	nodes := make(map[index.SpanID]*Node, len(t.Spans))
	for _, s := range t.Spans {
		nodes[s.ID] = &Node{Span: s}
	}
	var roots []*Node
	for _, s := range t.Spans {
		n := nodes[s.ID]
		parent := nodes[s.Parent]
		if s.Parent == (index.SpanID{}) || parent == nil {
			n.Orphan = s.Parent != index.SpanID{}
			roots = append(roots, n)
			continue
		}
		parent.Children = append(parent.Children, n)
	}
	reached := map[*Node]bool{}
	for _, r := range roots {
		r.measure(reached)
	}
	for _, s := range t.Spans {
		if n := nodes[s.ID]; !reached[n] {
			n.Orphan = true
			n.cutFrom(nodes[s.Parent])
			roots = append(roots, n)
			n.measure(reached)
		}
	}
	return roots
}

func (n *Node) cutFrom(parent *Node) {
	parent.Children = slices.DeleteFunc(parent.Children, func(c *Node) bool { return c == n })
}

// measure sets depth, size and errors of the subtree. It uses a stack of its
// own, because nothing bounds how deep a trace can be.
func (n *Node) measure(reached map[*Node]bool) {
	stack := []*Node{n}
	var visited []*Node
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		reached[at] = true
		visited = append(visited, at)
		for _, c := range at.Children {
			c.Depth = at.Depth + 1
		}
		stack = append(stack, at.Children...)
	}
	for _, at := range slices.Backward(visited) {
		at.Size = 1
		if at.Failed() {
			at.Errors = 1
		}
		for _, c := range at.Children {
			at.Size += c.Size
			at.Errors += c.Errors
		}
	}
}

// Find is the node of the span; nil when the trees do not hold it.
func Find(roots []*Node, id index.SpanID) *Node {
	stack := slices.Clone(roots)
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		if n.ID == id {
			return n
		}
		stack = append(stack[:len(stack)-1], n.Children...)
	}
	return nil
}

// Critical marks the spans on the critical path of the tree: those that, had
// they been shorter, would have let the root end earlier. From a span's end it
// goes back through the child that ended last before each point in time.
// Children that end after their parent, as what a message sets off does, are
// not waited for and so are not on it.
func Critical(root *Node) map[index.SpanID]bool {
	marked := map[index.SpanID]bool{}
	stack := []*Node{root}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		marked[n.ID] = true
		stack = append(stack, n.awaited()...)
	}
	return marked
}

// awaited are the children that the node waited for, one after the other,
// latest first.
func (n *Node) awaited() []*Node {
	byEnd := slices.Clone(n.Children)
	slices.SortStableFunc(byEnd, func(a, b *Node) int { return b.End.Compare(a.End) })
	var path []*Node
	at := n.End
	for _, c := range byEnd {
		if c.End.After(at) || c.Kind == index.Consumer {
			continue
		}
		path = append(path, c)
		at = c.Start
		if at.Sub(n.Start) <= time.Duration(0) {
			break
		}
	}
	return path
}
