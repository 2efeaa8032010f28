package page

import (
	"slices"

	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/trace"
)

// line is one line of a trace's outline: a span, or the place of one that has
// not come.
type line struct {
	node *trace.Node // nil where the span is missing
	// missing is the id of the span that has not come.
	missing index.SpanID
	// level is 1 for the outermost lines.
	level int
	// circle says that the span's parents lead back to it.
	circle bool
	// size counts the spans below the line.
	size int
}

// outline lists the trees line by line, parents before children. Spans whose
// parent is missing are gathered below a line that says so.
func outline(roots []*trace.Node) []line {
	known := map[index.SpanID]bool{}
	waiting := map[index.SpanID][]*trace.Node{}
	for _, root := range roots {
		each(root, func(n *trace.Node) { known[n.ID] = true })
		if root.Orphan {
			waiting[root.Parent] = append(waiting[root.Parent], root)
		}
	}
	var lines []line
	for _, root := range roots {
		switch orphans := waiting[root.Parent]; {
		case !root.Orphan:
			lines = appendTree(lines, root, 1, false)
		case known[root.Parent]:
			lines = appendTree(lines, root, 1, true)
		case orphans[0] == root:
			at := len(lines)
			lines = append(lines, line{missing: root.Parent, level: 1})
			for _, orphan := range orphans {
				lines = appendTree(lines, orphan, 2, false)
			}
			lines[at].size = len(lines) - at - 1
		}
	}
	return lines
}

// appendTree appends the subtree, whose root gets the level.
func appendTree(lines []line, root *trace.Node, level int, circle bool) []line {
	each(root, func(n *trace.Node) {
		lines = append(lines, line{
			node: n, level: level + n.Depth - root.Depth, circle: circle && n == root, size: n.Size - 1,
		})
	})
	return lines
}

// each calls f for every span of the subtree, parents first, children in
// order. It does not recurse, because nothing bounds a trace's depth.
func each(root *trace.Node, f func(*trace.Node)) {
	stack := []*trace.Node{root}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		f(n)
		for _, child := range slices.Backward(n.Children) {
			stack = append(stack, child)
		}
	}
}

// ancestors are the lines that lead to lines[at], outermost first, but no more
// than the nearest most.
func ancestors(lines []line, at, most int) []line {
	var path []line
	level := lines[at].level
	for i := at - 1; i >= 0 && level > 1 && len(path) < most; i-- {
		if lines[i].level < level {
			level = lines[i].level
			path = append(path, lines[i])
		}
	}
	slices.Reverse(path)
	return path
}
