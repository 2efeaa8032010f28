package trace

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/viewer/index"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// span makes a span that runs from one millisecond after noon to another.
func span(id, parent byte, from, to int) *Span {
	return &Span{
		ID: index.SpanID{id}, Parent: index.SpanID{parent}, Name: string('a' + id - 1),
		Start: noon.Add(time.Duration(from) * time.Millisecond), End: noon.Add(time.Duration(to) * time.Millisecond),
	}
}

// outline writes the trees as "a(b c)", with "!" at orphans.
func outline(nodes []*Node) string {
	var parts []string
	for _, n := range nodes {
		part := n.Name
		if n.Orphan {
			part += "!"
		}
		if len(n.Children) > 0 {
			part += "(" + outline(n.Children) + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " ")
}

func TestTree(t *testing.T) {
	f := func(name, want string, spans ...*Span) {
		t.Helper()
		tr := &Trace{Spans: spans}
		tr.tidy()
		roots := tr.Tree()
		if got := outline(roots); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		size := 0
		for _, r := range roots {
			size += r.Size
		}
		if size != len(tr.Spans) {
			t.Errorf("%s: the sizes add up to %d of %d spans", name, size, len(tr.Spans))
		}
	}
	f("children by start", "a(c(d) b)", span(1, 0, 0, 9), span(2, 1, 5, 6), span(3, 1, 1, 4), span(4, 3, 2, 3))
	f("a duplicate", "a(b)", span(1, 0, 0, 9), span(2, 1, 5, 6), span(2, 1, 5, 6))
	f("a missing parent", "a b!", span(1, 0, 0, 9), span(2, 9, 5, 6))
	f("its own parent", "a!", span(1, 1, 0, 9))
	f("a circle with a tail", "a!(b(c d))", span(1, 3, 0, 9), span(2, 1, 1, 8), span(3, 2, 2, 7), span(4, 2, 3, 4))
	f("nothing", "")
}

func TestDeepTreesDoNotRecurse(t *testing.T) {
	tr := &Trace{}
	for i := range 20_000 {
		s := span(1, 0, i, i+1)
		s.ID, s.Parent = index.SpanID{1, byte(i >> 8), byte(i)}, index.SpanID{1, byte((i - 1) >> 8), byte(i - 1)}
		tr.Spans = append(tr.Spans, s)
	}
	tr.Spans[0].Parent = index.SpanID{}
	roots := tr.Tree()
	if len(roots) != 1 || roots[0].Size != 20_000 {
		t.Fatalf("got %d roots", len(roots))
	}
	if last := Find(roots, tr.Spans[19_999].ID); last == nil || last.Depth != 19_999 {
		t.Errorf("the deepest span: %+v", last)
	}
}

func TestCriticalPath(t *testing.T) {
	late := span(6, 1, 9, 30)
	consumer := span(7, 1, 8, 9)
	consumer.Kind = index.Consumer
	tr := &Trace{Spans: []*Span{
		span(1, 0, 0, 10), span(2, 1, 1, 4), span(3, 1, 1, 3), // b outlasts its sibling c
		span(4, 1, 5, 9), span(5, 4, 6, 7), late, consumer,
	}}
	tr.tidy()
	var got []string
	marked := Critical(tr.Tree()[0])
	for _, s := range tr.Spans {
		if marked[s.ID] {
			got = append(got, s.Name)
		}
	}
	if diff := cmp.Diff("[a b d e]", fmt.Sprint(got)); diff != "" {
		t.Errorf("critical path (-want +got):\n%s", diff)
	}
}
