package page

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/trace"
)

func TestFinder(t *testing.T) {
	span := &trace.Span{
		ID: index.SpanID{0xab}, Name: "POST /Orders", Kind: index.Server, Status: trace.Error, Message: "card declined",
		Resource:   &trace.Resource{Service: "gateway", Attributes: []trace.Attribute{{Key: "host.name", Value: trace.Text("shop-1")}}},
		Attributes: []trace.Attribute{{Key: "http.status", Value: trace.Value{Type: trace.Int, Int: 402}}},
		Events:     []trace.Event{{Name: "retry", Attributes: []trace.Attribute{{Key: "reason", Value: trace.Text("Timed Out")}}}},
	}
	logs := []trace.Log{{Span: span.ID, Body: "gave up", Attributes: []trace.Attribute{{Key: "code", Value: trace.Text("51")}}}, {Body: "elsewhere"}}
	f := func(text string, want bool) {
		t.Helper()
		if got := newFinder(text, logs).fits(span); got != want {
			t.Errorf("%q: got %t, want %t", text, got, want)
		}
	}
	f("", false)
	f("   ", false)
	f("orders", true)
	f("gateway post", true)
	f("gateway payment", false)
	f("DECLINED", true)
	f(`"timed out"`, true)
	f("'out timed'", false)
	f("host.name", true)
	f("host.name=SHOP", true)
	f("host.name=warehouse", false)
	f("http.status=402", true)
	f("http.status=", true)
	f("status=402", false)
	f("402", true)
	f("server", true)
	f("error", true)
	f("ab00000000000000", true)
	f(`"gave up" code=51`, true)
	f("elsewhere", false)
	f("a=b=c", false)
	f("=", false)
	f(`"open declined`, false)
}

func FuzzFinderEnds(f *testing.F) {
	for _, text := range []string{"a b", `"`, "'", "=", `a="`, "a='b' c", "\t\n"} {
		f.Add(text)
	}
	span := &trace.Span{Name: "name", Resource: &trace.Resource{}}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.TrimSpace(text) == "" && newFinder(text, nil).fits(span) {
			t.Errorf("%q is found", text)
		}
		newFinder(text, nil).fits(span)
	})
}

// tree makes spans of "id<parent" and gives their outline.
func tree(spans ...string) []line {
	tr := &trace.Trace{}
	for i, s := range spans {
		id, parent, _ := strings.Cut(s, "<")
		made := &trace.Span{Name: id, Start: noon.Add(time.Duration(i) * ms), End: noon.Add(time.Hour), Resource: &trace.Resource{}}
		copy(made.ID[:], id)
		copy(made.Parent[:], parent)
		tr.Spans = append(tr.Spans, made)
	}
	return outline(tr.Tree())
}

func names(lines []line) string {
	var parts []string
	for _, l := range lines {
		text := strings.Repeat("·", l.level-1)
		switch {
		case l.node == nil:
			text += "?" + strings.TrimRight(string(l.missing[:]), "\x00")
		case l.circle:
			text += "@" + l.node.Name
		default:
			text += l.node.Name
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

func TestOutline(t *testing.T) {
	f := func(want string, spans ...string) {
		t.Helper()
		if diff := cmp.Diff(want, names(tree(spans...))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", spans, diff)
		}
	}
	f("")
	f("a ·b ··d ·c", "a", "b<a", "c<a", "d<b")
	f("a b", "a", "b")
	f("a ?x ·b ··c ·d", "a", "b<x", "c<b", "d<x")
	f("?x ·b ?y ·c", "b<x", "c<y")
	f("a @b ·c", "a", "b<c", "c<b")
	f("@a", "a<a")
}

func TestAncestors(t *testing.T) {
	lines := tree("a", "b<a", "c<b", "d<c", "e<a", "f<x")
	f := func(at, most int, want string) {
		t.Helper()
		if got := names(ancestors(lines, at, most)); got != want {
			t.Errorf("of %d: got %q, want %q", at, got, want)
		}
	}
	f(0, 8, "")
	f(3, 8, "a ·b ··c")
	f(3, 2, "·b ··c")
	f(4, 8, "a")
	f(6, 8, "?x")
}

func TestShortName(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		if got := shortName(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	f("shop.order.v1.OrderService/Create", "OrderService/Create")
	f("OrderService/Create", "OrderService/Create")
	f("GET /api/v1.0/orders", "GET /api/v1.0/orders")
	f("/api/v1.0/orders", "/api/v1.0/orders")
	f("http://a.example/b", "http://a.example/b")
	f("SELECT orders", "SELECT orders")
	f("", "")
}

func TestSelfTime(t *testing.T) {
	f := func(want time.Duration, children ...[2]int) {
		t.Helper()
		n := &trace.Node{Span: &trace.Span{Start: noon, End: noon.Add(10 * ms)}}
		for _, c := range children {
			n.Children = append(n.Children, &trace.Node{Span: &trace.Span{
				Start: noon.Add(time.Duration(c[0]) * ms), End: noon.Add(time.Duration(c[1]) * ms),
			}})
		}
		if got := selfTime(n); got != want {
			t.Errorf("%v: got %v, want %v", children, got, want)
		}
	}
	f(10 * ms)
	f(6*ms, [2]int{2, 6})
	f(4*ms, [2]int{2, 6}, [2]int{4, 8})
	f(4*ms, [2]int{4, 8}, [2]int{2, 6})
	f(2*ms, [2]int{2, 30})
	f(10*ms, [2]int{20, 30})
	f(8*ms, [2]int{-5, 2})
	f(0, [2]int{-5, 15})
}
