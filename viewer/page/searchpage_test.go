package page

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/viewer/viewertest"
)

// shop has five traces of two services; trace n takes n times ten milliseconds
// and begins n minutes ago. Trace 2 has failed; trace 5 lacks its root.
func shop(t *testing.T) *site {
	return serve(t, func(j *memory.Journal) {
		for n := 1; n <= 5; n++ {
			start, took := time.Now().Add(-time.Duration(n)*time.Minute), time.Duration(n)*10*ms
			parent := 0
			if n == 5 {
				parent = 99
			}
			root := viewertest.Span(n, 1, parent, "POST /orders", start, took)
			root.Attributes = viewertest.Attributes("order.id", "o-"+strconv.Itoa(n))
			charge := viewertest.Span(n, 2, 1, "Charge", start.Add(2*ms), 5*ms)
			if n == 2 {
				viewertest.Fail(charge, "declined")
			}
			viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("gateway"), root), viewertest.Spans(viewertest.Resource("payment"), charge))
		}
	})
}

// rows lists the traces that a search shows, in order.
func rows(page string) []string {
	var list []string
	for _, id := range all(page, `<td class="what"><a href="/trace/([0-9a-f]{32})"`) {
		list = append(list, strings.TrimLeft(id[24:], "0"))
	}
	return list
}

func TestSearch(t *testing.T) {
	s := shop(t)
	f := func(query string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, rows(s.get("/?"+query, 200))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	f("", "1", "2", "3", "4", "5")
	f("service=payment", "1", "2", "3", "4", "5")
	f("service=payment&errors=1", "2")
	f("service=gateway&errors=1")
	f("operation=Charge&limit=2", "1", "2")
	f("min=25ms&max=45ms", "3", "4")
	f("service=payment&min=25ms")
	f("tags=order.id%3Do-4", "4")
	f("lookback=150s", "1", "2")
	f("sort=longest", "5", "4", "3", "2", "1")
	f("sort=errors&limit=3", "2", "1", "3")
}

func TestSearchShowsTraces(t *testing.T) {
	page := shop(t).get("/", 200)
	has(t, page, "<b>gateway</b> POST /orders", "20 ms", "5 traces in the index", "root missing",
		`payment: 1 span, 1 failed`, `<strong>5 traces</strong>`, "!Older traces")
	if got := len(all(page, `(<circle)`)); got != 5 {
		t.Errorf("%d points in the plot, want 5", got)
	}
	if got := len(all(page, `<circle class="c\d+( failed)"`)); got != 1 {
		t.Errorf("%d failed points in the plot, want 1", got)
	}
}

func TestSearchKeepsTheForm(t *testing.T) {
	s := shop(t)
	page := s.get("/?service=payment&operation=Charge&min=1ms&max=9ms&tags=a%3D1&errors=1&live=1&limit=20&lookback=6h&sort=spans", 200)
	has(t, page, `<option selected>payment</option>`, `<option selected>Charge</option>`, `name="min" value="1ms"`, `name="max" value="9ms"`,
		`name="tags" value="a=1"`, `name="errors" value="1" checked`, `name="live" value="1" checked`,
		`value="20" selected`, `value="6h" selected`, `value="spans" selected`, "data-live", `http-equiv="refresh"`)
	has(t, s.get("/?service=nobody&lookback=42m", 200), `<option selected>nobody</option>`, `<option value="42m" selected>`, "No trace fits")
	has(t, s.get("/?min=soon&service=payment", 400), `value="soon"`, "is no duration", `<option selected>payment</option>`, `role="alert"`)
}

func TestLinksThatLast(t *testing.T) {
	s := shop(t)
	page := s.get("/?service=payment&limit=2&lookback=6h&live=1", 200)
	pinned, older := all(page, `<a href="([^"]*)"[^>]*>Link that lasts`), all(page, `<a href="([^"]*)">Older traces`)
	if len(pinned) != 1 || len(older) != 1 {
		t.Fatalf("links: %q, %q", pinned, older)
	}
	for link, want := range map[string][]string{pinned[0]: {"1", "2"}, older[0]: {"3", "4"}} {
		address, err := url.Parse(strings.ReplaceAll(link, "&amp;", "&"))
		if err != nil {
			t.Fatal(err)
		}
		values := address.Query()
		if values.Has("live") || values.Has("lookback") || values.Get("service") != "payment" || !values.Has("from") || !values.Has("to") {
			t.Errorf("link %s", link)
		}
		if diff := cmp.Diff(want, rows(s.get(address.String(), 200))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", link, diff)
		}
	}
}

func TestNewcomersAreToldWhatToDo(t *testing.T) {
	s := serve(t, func(*memory.Journal) {})
	has(t, s.get("/", 200), "No trace has come yet", "make demo", "OTEL_EXPORTER_OTLP_ENDPOINT")
	has(t, s.get("/map", 200), "No trace has come yet", "make demo")
}

func TestEmptySearchesCanBeWidened(t *testing.T) {
	s := serve(t, func(j *memory.Journal) {
		old := viewertest.Span(1, 1, 0, "op", time.Now().Add(-3*time.Hour), ms)
		viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("a"), old))
	})
	page := s.get("/?service=a", 200)
	has(t, page, "No trace fits", "/?lookback=all&amp;service=a")
	has(t, s.get("/?service=a&lookback=all", 200), "!No trace fits", time.Now().Add(-3*time.Hour).UTC().Format("2006-01-02"))
	has(t, s.get("/?service=b&lookback=all", 200), "No trace fits", "!look over all time")
}
