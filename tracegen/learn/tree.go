package learn

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/tracegen/recording"
)

// node is a span with what it has caused.
type node struct {
	recording.Span
	service string
	// steps are the calls that it has waited for: one, or several that
	// overlapped. later are those that it has not waited for.
	steps [][]*node
	later []*node
	// shape numbers what the node and all below it look like, but for time.
	shape int
}

func (n *node) duration() float64 {
	return float64(n.GetEndTimeUnixNano() - n.GetStartTimeUnixNano())
}

func (n *node) failed() bool {
	return n.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR
}

// own is what the node took beside its calls, in nanoseconds. In a step the
// longest call counts.
func (n *node) own() float64 {
	own := n.duration()
	for _, step := range n.steps {
		longest := 0.0
		for _, c := range step {
			longest = max(longest, c.duration())
		}
		own -= longest
	}
	return max(own, 1)
}

var (
	errNoRoot    = errors.New("it has no root, or several")
	errEndless   = errors.New("its spans are one another's parents")
	errTooManyOf = errors.New("it has too many spans")
)

// tree puts a trace's spans below their parents.
func tree(t *recording.Trace, most int) (*node, error) {
	if len(t.Spans) > most {
		return nil, errTooManyOf
	}
	nodes := make(map[uint64]*node, len(t.Spans))
	for _, s := range t.Spans {
		nodes[s.ID()] = &node{Span: s, service: serviceName(s)}
	}
	children := map[*node][]*node{}
	var root *node
	for _, s := range t.Spans { // which are in the order in which they began
		n := nodes[s.ID()]
		parent := nodes[s.Parent()]
		switch {
		case parent != nil:
			children[parent] = append(children[parent], n)
		case root != nil:
			return nil, errNoRoot
		default:
			root = n
		}
	}
	if root == nil {
		return nil, errNoRoot
	}
	if reached := root.hang(children); reached != len(t.Spans) {
		return nil, errEndless
	}
	return root, nil
}

// serviceName has no slash, which a topology puts behind it.
func serviceName(s recording.Span) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s.Service(), "\uFFFD"), "/", "_")
}

// sameMoment is how much clocks that count microseconds may be apart, in
// nanoseconds.
const sameMoment = uint64(2 * time.Microsecond)

// hang divides the children into steps, and says how many spans there are from
// here on. A call that ended after its caller was not waited for; one that began
// before the one before it had ended was made at the same time.
func (n *node) hang(children map[*node][]*node) int {
	reached, busy := 1, uint64(0)
	for _, c := range children[n] {
		reached += c.hang(children)
		switch {
		case c.GetEndTimeUnixNano() > n.GetEndTimeUnixNano()+sameMoment:
			n.later = append(n.later, c)
			continue
		case len(n.steps) > 0 && c.GetStartTimeUnixNano()+sameMoment < busy:
			last := len(n.steps) - 1
			n.steps[last] = append(n.steps[last], c)
		default:
			n.steps = append(n.steps, []*node{c})
		}
		busy = max(busy, c.GetEndTimeUnixNano())
	}
	return reached
}

// shapes numbers shapes: what looks the same has the same number.
type shapes map[string]int

// number numbers a node's shape, after those below it.
func (s shapes) number(n *node) int {
	var text strings.Builder
	fmt.Fprintf(&text, "%q %q %d %t", n.service, n.GetName(), n.GetKind(), n.failed())
	for _, e := range n.GetEvents() {
		fmt.Fprintf(&text, " %q", e.GetName())
	}
	for _, step := range n.steps {
		for _, c := range step {
			s.number(c)
		}
		// Which of several at once began first is chance.
		slices.SortStableFunc(step, func(a, b *node) int { return cmp.Compare(a.shape, b.shape) })
		text.WriteString(" (")
		for _, c := range step {
			fmt.Fprintf(&text, "%d ", c.shape)
		}
		text.WriteByte(')')
	}
	for _, c := range n.later {
		s.number(c)
	}
	slices.SortStableFunc(n.later, func(a, b *node) int { return cmp.Compare(a.shape, b.shape) })
	for _, c := range n.later {
		fmt.Fprintf(&text, " later %d", c.shape)
	}
	shape, known := s[text.String()]
	if !known {
		shape = len(s)
		s[text.String()] = shape
	}
	n.shape = shape
	return shape
}
