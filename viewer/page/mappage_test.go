package page

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/viewer/graph"
	"github.com/waybill-dev/waybill/viewer/viewertest"
)

// calls has a gateway that calls an order service ten times, of which one call
// fails; the order service asks its database, sends a message that is taken,
// one that is not, and calls something that sends no spans.
func calls(t *testing.T) *site {
	return serve(t, func(j *memory.Journal) {
		for n := 1; n <= 10; n++ {
			start := time.Now().Add(-2 * time.Minute)
			step := func(id, parent int, name string, kind tracepb.Span_SpanKind, pairs ...any) *tracepb.Span {
				s := viewertest.Span(n, id, parent, name, start.Add(time.Duration(id)*ms), 8*ms)
				s.Kind, s.Attributes = kind, viewertest.Attributes(pairs...)
				return s
			}
			const client, producer, consumer = tracepb.Span_SPAN_KIND_CLIENT, tracepb.Span_SPAN_KIND_PRODUCER, tracepb.Span_SPAN_KIND_CONSUMER
			served := step(3, 2, "Create", tracepb.Span_SPAN_KIND_SERVER)
			if n == 1 {
				viewertest.Fail(served, "")
			}
			viewertest.AppendSpans(t, j,
				viewertest.Spans(viewertest.Resource("gateway"), step(1, 0, "POST", tracepb.Span_SPAN_KIND_SERVER), step(2, 1, "Create", client)),
				viewertest.Spans(viewertest.Resource("order"), served,
					step(4, 3, "INSERT", client, "db.system.name", "sqlite", "db.namespace", "orders"),
					step(5, 3, "send", producer, "messaging.system", "nats"), step(7, 3, "send", producer, "messaging.system", "kafka"),
					step(8, 3, "GET", client, "server.address", "rates.example")),
				viewertest.Spans(viewertest.Resource("mail"), step(6, 5, "process", consumer)))
		}
	})
}

func TestMapDrawsEveryType(t *testing.T) {
	page := calls(t).get("/map", 200)
	nodes := all(page, `<g class="node ([a-z]+) `)
	kinds := map[string]int{}
	for _, kind := range nodes {
		kinds[kind]++
	}
	if diff := cmp.Diff(map[string]int{"service": 3, "database": 1, "queue": 1, "external": 1}, kinds); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
	edges := all(page, `<g class="edge ([a-z]+) w\d`)
	if diff := cmp.Diff([]string{"call", "queue", "message", "external", "database"}, edges); diff != "" {
		t.Errorf("edges (-want +got):\n%s", diff)
	}
	has(t, page, `gateway to order (call)`, "10 % failed", `<tspan class="share" dx="6">10 %</tspan>`, `href="/?lookback=15m&amp;service=gateway"`, "sqlite orders (database)")
	// The tables have the same: calls, then rate, failed, p50, p95.
	table := regexp.MustCompile(`(?s)gateway</a></td><td>order</td><td class="dim">call</td><td class="num">10</td>`)
	if !table.MatchString(page) {
		t.Error("the call from gateway to order is not in the table")
	}
}

func TestMapWindows(t *testing.T) {
	s := calls(t)
	has(t, s.get("/map?lookback=1m", 200), "No call in this window", "/map?lookback=all", `value="1m" selected`)
	has(t, s.get("/map?lookback=all&live=1", 200), "gateway", "data-live", `http-equiv="refresh"`)
	has(t, s.get("/map?lookback=never", 400), "is no duration", `role="alert"`)
}

// edgesOf makes calls between numbered services: the edge i has i+1 calls.
func edgesOf(pairs ...[2]int) []graph.Edge {
	g := graph.New(10_000)
	for i, p := range pairs {
		for range i + 1 {
			g.Count(graph.Key{From: fmt.Sprint("s", p[0]), To: fmt.Sprint("s", p[1]), Type: graph.Call}, noon, ms, false)
		}
	}
	edges, _ := g.Window(noon, noon.Add(time.Minute))
	return edges
}

func TestMapIsDrawnTheSameAgain(t *testing.T) {
	draw := func() drawing {
		d, _ := newDrawing(edgesOf([2]int{0, 1}, [2]int{1, 2}, [2]int{2, 0}, [2]int{0, 3}, [2]int{3, 2}, [2]int{4, 1}),
			time.Minute, map[string]int{}, func(s string) string { return s })
		return d
	}
	first := draw()
	if len(first.Nodes) != 5 || len(first.Edges) != 6 {
		t.Fatalf("%d nodes, %d edges", len(first.Nodes), len(first.Edges))
	}
	for range 5 {
		if diff := cmp.Diff(first, draw()); diff != "" {
			t.Fatalf("drawn again, it differs:\n%s", diff)
		}
	}
}

func TestNothingOnTheMapOverlaps(t *testing.T) {
	d, _ := newDrawing(edgesOf([2]int{0, 1}, [2]int{0, 2}, [2]int{1, 3}, [2]int{2, 3}, [2]int{3, 0}, [2]int{0, 3}, [2]int{5, 6}),
		time.Minute, map[string]int{}, func(s string) string { return s })
	type box struct {
		name       string
		x, y, w, h float64
	}
	var boxes []box
	for _, n := range d.Nodes {
		boxes = append(boxes, box{n.Name, n.X, n.Y, n.Width, n.Height})
	}
	for _, e := range d.Edges {
		boxes = append(boxes, box{e.Title, e.X, e.Y, e.W, e.H})
	}
	for i, a := range boxes {
		if a.x < 0 || a.y < 0 || a.x+a.w > float64(d.Width) || a.y+a.h > float64(d.Height) {
			t.Errorf("%s lies outside", a.name)
		}
		for _, b := range boxes[:i] {
			if a.x+a.w > b.x && b.x+b.w > a.x && a.y+a.h > b.y && b.y+b.h > a.y {
				t.Errorf("%s overlaps %s", a.name, b.name)
			}
		}
	}
}

func TestBusyMapsLeaveOutTheRarest(t *testing.T) {
	var pairs [][2]int
	for i := range maxEdges + 10 {
		pairs = append(pairs, [2]int{i % 20, 20 + i/20})
	}
	page := mapPage{Lookback: "1h"}
	page.fill(edgesOf(pairs...), time.Minute, map[string]int{})
	if len(page.Drawing.Edges) != maxEdges || page.Left != 10 || len(page.Calls) != maxEdges+10 {
		t.Errorf("%d edges drawn, %d left out, %d in the table", len(page.Drawing.Edges), page.Left, len(page.Calls))
	}
	for _, e := range page.Drawing.Edges {
		if strings.HasPrefix(e.Title, "s0 to s20 ") {
			t.Error("the rarest edge is drawn")
		}
	}
}

func TestWeight(t *testing.T) {
	f := func(perSecond float64, want int) {
		t.Helper()
		if got := weight(perSecond); got != want {
			t.Errorf("%s/s: got %d, want %d", strconv.FormatFloat(perSecond, 'g', -1, 64), got, want)
		}
	}
	f(0, 1)
	f(0.5, 1)
	f(1, 2)
	f(50, 3)
	f(1e6, 4)
}
