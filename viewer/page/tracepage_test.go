package page

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/viewer/viewertest"
)

// order is a trace of three services: the charge fails with an exception, the
// mail is sent later and links to another trace.
func order(t *testing.T) *site {
	return serve(t, func(j *memory.Journal) {
		at := noon.Add
		root := viewertest.Span(1, 1, 0, "POST /orders", noon, 40*ms)
		root.Attributes = viewertest.Attributes("http.route", "/orders", "retries", 2, "body", strings.Repeat("x", 200))
		root.TraceState, root.DroppedAttributesCount = "vendor=1", 3
		charge := viewertest.Fail(viewertest.Span(1, 2, 1, "Charge", at(10*ms), 20*ms), "card declined")
		charge.Events = []*tracepb.Span_Event{{
			TimeUnixNano: uint64(at(25 * ms).UnixNano()), Name: "exception",
			Attributes: viewertest.Attributes("exception.type", "Declined", "exception.message", "no funds", "exception.stacktrace", "main.go:1\n\tcharge", "attempt", 1),
		}}
		mail := viewertest.Span(1, 3, 1, "send mail", at(50*ms), 10*ms)
		mail.Kind = tracepb.Span_SPAN_KIND_CONSUMER
		other, own := viewertest.TraceID(2), viewertest.TraceID(1)
		span := viewertest.SpanID(7)
		first := viewertest.SpanID(1)
		mail.Links = []*tracepb.Span_Link{{TraceId: other[:], SpanId: span[:]}, {TraceId: own[:], SpanId: first[:]}}
		sent := viewertest.Spans(viewertest.Resource("gateway", "host.name", "shop-1"), root)
		sent.ScopeSpans[0].Scope = viewertest.Scope("httpmw", "0.1.0")
		viewertest.AppendSpans(t, j, sent,
			viewertest.Spans(viewertest.Resource("payment"), charge), viewertest.Spans(viewertest.Resource("notification"), mail))
		viewertest.AppendLogs(t, j, viewertest.Resource("payment"),
			viewertest.Log(1, 2, at(26*ms), 17, "charge refused", "code", "51"),
			viewertest.Log(1, 9, at(5*ms), 9, "from a span that has not come"))
	})
}

func TestTraceHeader(t *testing.T) {
	page := order(t).get(tracePath(1), 200)
	has(t, page, "<title>gateway POST /orders · Waybill</title>", viewertest.TraceID(1).String(), "2026-11-24 12:00:00.000",
		"<dt>Duration</dt><dd>60 ms</dd>", "<dt>Spans</dt><dd>3</dd>", "<dt>Services</dt><dd>3</dd>", `<dt>Depth</dt><dd>2</dd>`,
		`<dt>Errors</dt><dd><span class="mark">1</span></dd>`, `href="/api/traces/`+viewertest.TraceID(1).String()+`"`, "Logs <i>2</i>")
}

func TestWaterfall(t *testing.T) {
	page := order(t).get(tracePath(1)+"?find=declined", 200)
	got := all(page, `<div class="(row [^"]*)"`)
	if len(got) != 3 {
		t.Fatalf("rows %q", got)
	}
	for i, want := range []string{"crit", "failed crit hit", ""} {
		if have := strings.Join(strings.Fields(got[i])[2:], " "); have != want {
			t.Errorf("row %d is %q, want %q", i, have, want)
		}
	}
	has(t, page, `<rect x="0%" width="66.667%"/>`, `<rect x="16.667%" width="33.333%"/>`, `<circle cx="41.667%" class="exception"><title>exception</title>`,
		`title="2 below, 1 failed"`, "1 found", `aria-level="2"`)
	if got := len(all(page, `aria-(expanded)="true"`)); got != 1 {
		t.Errorf("%d rows unfold, want 1", got)
	}
}

func TestPanelTellsEverything(t *testing.T) {
	s := order(t)
	f := func(span int, wants ...string) {
		t.Helper()
		part := s.get(tracePath(1)+"/span/"+spanName(span)+"?part=1", 200)
		has(t, part, append(wants, "!<html")...)
		has(t, s.get(tracePath(1)+"?span="+spanName(span), 200), append(wants, "<html", `aria-selected="true"`)...)
	}
	f(1, "40 ms", "self 20 ms", "http.route", "tracestate <code>vendor=1</code>", "left out 3 attributes", "host.name", "httpmw 0.1.0",
		`title="int"`, "<pre tabindex=\"0\">xxx", "Show only this subtree", `/?service=gateway&amp;tags=http.route%3D%2Forders`)
	f(2, "card declined", "<code>Declined</code> no funds", "main.go:1\n\tcharge", "attempt", "charge refused", "code=<em>51</em>",
		"gateway POST /orders", "!Show only this subtree")
	f(3, "consumer", tracePath(2)+"?span="+spanName(7), "of this trace")
	has(t, s.get(tracePath(1)+"/span/"+spanName(42)+"?part=1", 404), "This span is not here")
	has(t, s.get(tracePath(1)+"/span/xyz?part=1", 400), "This is no span id")
	has(t, s.get(tracePath(1)+"?span="+spanName(42), 200), `<aside id="panel" aria-label="Span" hidden>`)
}

func TestLogsInOrderOfTime(t *testing.T) {
	page := order(t).get(tracePath(1)+"?view=logs", 200)
	if diff := cmp.Diff([]string{"from a span that has not come", "charge refused"}, all(page, `<td class="body">([^<]*?) ?<`)); diff != "" {
		t.Errorf("logs (-want +got):\n%s", diff)
	}
	has(t, page, "26 ms", "ERROR", `href="?span=`+spanName(2)+`#s`+spanName(2)+`">Charge</a>`, "code=<em>51</em>")
	has(t, order(t).get(tracePath(1), 200), "!charge refused")
}

func TestLogsWithoutSpans(t *testing.T) {
	s := serve(t, func(j *memory.Journal) {
		viewertest.AppendLogs(t, j, viewertest.Resource("cron"), viewertest.Log(1, 1, noon, 9, "alone"))
	})
	has(t, s.get(tracePath(1), 200), "No span of this trace has come", "Trace without spans", "Logs <i>1</i>")
	has(t, s.get(tracePath(1)+"?view=logs", 200), "alone", "12:00:00.000")
}

func TestFreshTracesAreWatched(t *testing.T) {
	f := func(age time.Duration, want bool) {
		t.Helper()
		s := serve(t, func(j *memory.Journal) {
			viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("a"), viewertest.Span(1, 1, 0, "root", time.Now().Add(-age), ms)))
		})
		if got := strings.Contains(s.get(tracePath(1), 200), `data-fresh="1"`); got != want {
			t.Errorf("%v after its end: watched %t, want %t", age, got, want)
		}
	}
	f(0, true)
	f(10*time.Minute, false)
}

func TestChipsFindTheSpansOfAService(t *testing.T) {
	s := order(t)
	links := all(s.get(tracePath(1), 200), `<a class="chip [^"]*" href="([^"]*)"`)
	if len(links) != 3 {
		t.Fatalf("chips %q", links)
	}
	has(t, s.get(tracePath(1)+strings.ReplaceAll(links[1], "&amp;", "&"), 200), "1 found", `value="service.name=payment"`)
}

func TestMissingParentsAreSaid(t *testing.T) {
	s := serve(t, func(j *memory.Journal) {
		viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("a"),
			viewertest.Span(1, 1, 0, "root", noon, 9*ms),
			viewertest.Span(1, 2, 77, "orphan", noon.Add(ms), ms), viewertest.Span(1, 3, 77, "sibling", noon.Add(3*ms), ms),
			viewertest.Span(1, 4, 5, "snake", noon.Add(5*ms), ms), viewertest.Span(1, 5, 4, "tail", noon.Add(6*ms), ms)))
	})
	page := s.get(tracePath(1), 200)
	has(t, page, "parent <code>"+spanName(77)+"</code> not received", "parents form a circle")
	if got := len(all(page, `(not received)`)); got != 1 {
		t.Errorf("the missing parent is said %d times, want once for both children", got)
	}
	has(t, s.get(tracePath(1)+"?span="+spanName(2), 200), "<code>"+spanName(77)+"</code>, which was not received")
}

func TestDeletedRecordsAreSaid(t *testing.T) {
	padded := func(trace, size int) *tracepb.Span {
		span := viewertest.Span(trace, 1, 0, "root", noon, 9*ms)
		span.Attributes = viewertest.Attributes("padding", strings.Repeat("x", size))
		return span
	}
	s := serve(t, func(j *memory.Journal) {
		viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("a"), padded(1, 1<<20)))
		viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("b"), viewertest.Span(1, 2, 1, "child", noon, ms)))
	})
	// push appends until the oldest record is deleted.
	push := func() {
		for first := s.journal.Stats().Oldest; s.journal.Stats().Oldest == first; {
			viewertest.AppendSpans(t, s.journal, viewertest.Spans(viewertest.Resource("c"), padded(2, 1<<19)))
		}
	}
	push()
	has(t, s.get(tracePath(1), 200), "1 record that held a part of this trace has been deleted", "parent <code>"+spanName(1)+"</code> not received")
	for range 3 {
		push()
	}
	has(t, s.get(tracePath(1), 404), "This trace is not here")
}

func TestSubtreeAlone(t *testing.T) {
	page := order(t).get(tracePath(1)+"?root="+spanName(2), 200)
	has(t, page, "Only the subtree of <b>payment</b> Charge is shown", `<rect x="0%" width="100%"/>`, "!send mail</a>")
	has(t, order(t).get(tracePath(1)+"?root="+spanName(42), 200), "!Only the subtree", "send mail")
}

func TestStepsGoRound(t *testing.T) {
	s := serve(t, func(j *memory.Journal) {
		spans := []*tracepb.Span{viewertest.Span(1, 1, 0, "root", noon, time.Second)}
		for i := 2; i <= 6; i++ {
			span := viewertest.Span(1, i, 1, "step", noon.Add(time.Duration(i)*ms), ms)
			if i%2 == 0 {
				viewertest.Fail(span, "")
			}
			spans = append(spans, span)
		}
		viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("a"), spans...))
	})
	f := func(selected, prev, next int) {
		t.Helper()
		path := tracePath(1)
		if selected > 0 {
			path += "?span=" + spanName(selected)
		}
		page := s.get(path, 200)
		_, page, _ = strings.Cut(page, `id="error-steps"`)
		got := all(page, `href="\?span=0*([0-9])#[^"]*" data-step`)
		if diff := cmp.Diff([]string{strconv.Itoa(prev), strconv.Itoa(next)}, got); diff != "" {
			t.Errorf("from %d (-want +got):\n%s", selected, diff)
		}
	}
	f(0, 6, 2)
	f(2, 6, 4)
	f(3, 2, 4)
	f(4, 2, 6)
	f(6, 4, 2)
}

// large is a trace of n spans: a root with children that have a child each.
func large(t testing.TB, j *memory.Journal, n int) {
	spans := []*tracepb.Span{viewertest.Span(1, 1, 0, "root", noon, time.Duration(n)*ms)}
	for i := 2; i <= n; i++ {
		parent := 1
		if i%2 == 1 {
			parent = i - 1
		}
		span := viewertest.Span(1, i, parent, fmt.Sprintf("order.v1.Orders/Get %d", i), noon.Add(time.Duration(i)*ms), 2*ms)
		if i == 4321 {
			viewertest.Fail(span, "lost needle")
		}
		spans = append(spans, span)
	}
	viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("batch"), spans...))
}

func TestHugeTracesComeInPages(t *testing.T) {
	s := serve(t, func(j *memory.Journal) { large(t, j, 5000) })
	page := s.get(tracePath(1), 200)
	has(t, page, "Lines 1 to 1000 of 5000: page 1 of 5.", `rel="next"`, `!rel="prev"`)
	if got := len(all(page, `(<div class="row )`)); got != maxRows {
		t.Errorf("%d rows, want %d", got, maxRows)
	}
	if len(page) > 800<<10 {
		t.Errorf("the page has %d KiB", len(page)>>10)
	}
	last := s.get(tracePath(1)+"?page=99", 200)
	has(t, last, "Lines 4001 to 5000 of 5000: page 5 of 5.", `!rel="next"`)
	if got := len(all(last, `<div class="row [^"]*(past)"`)); got != 2 {
		t.Errorf("%d ancestors are repeated above the last page, want the root and the parent", got)
	}
	found := s.get(tracePath(1)+"?find=needle&span="+spanName(4321), 200)
	has(t, found, "page 5 of 5", "1 found", "lost needle")

	var got matches
	if err := json.Unmarshal([]byte(s.get(tracePath(1)+"/matches?find=needle", 200)), &got); err != nil {
		t.Fatal(err)
	}
	needle := []place{{spanName(4321), 5}}
	if diff := cmp.Diff(matches{Spans: 5000, Found: needle, Failed: needle}, got); diff != "" {
		t.Errorf("matches (-want +got):\n%s", diff)
	}
}

func TestGreedySpansDoNotFillThePage(t *testing.T) {
	s := serve(t, func(j *memory.Journal) {
		huge := strings.Repeat("ü", 200_000)
		span := viewertest.Fail(viewertest.Span(1, 1, 0, huge, time.Now(), ms), huge)
		span.Attributes = viewertest.Attributes("huge", huge)
		other := viewertest.TraceID(2)
		for range 1000 {
			span.Events = append(span.Events, &tracepb.Span_Event{Name: "tick"})
			span.Links = append(span.Links, &tracepb.Span_Link{TraceId: other[:], SpanId: span.GetSpanId()})
		}
		viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("a"), span))
		viewertest.AppendLogs(t, j, viewertest.Resource("a"), viewertest.Log(1, 1, time.Now(), 9, huge, "huge", huge))
		for i := range 100 {
			name := fmt.Sprintf("service-%03d", i)
			viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource(name), viewertest.Span(1, 2+i, 1, "op", time.Now(), ms)))
		}
	})
	for _, path := range []string{"/", tracePath(1), tracePath(1) + "?span=" + spanName(1), tracePath(1) + "?view=logs"} {
		if page := s.get(path, 200); len(page) > 400<<10 {
			t.Errorf("%s has %d KiB", path, len(page)>>10)
		}
	}
	has(t, s.get(tracePath(1)+"?span="+spanName(1), 200), "800 more are in the exported JSON", "and 61 more", "<dt>Services</dt><dd>101</dd>")
}

func TestMatchesWithinASubtree(t *testing.T) {
	s := order(t)
	f := func(query, want string) {
		t.Helper()
		got := strings.TrimSpace(s.get(tracePath(1)+"/matches?"+query, 200))
		if got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	two := `[{"span":"` + spanName(2) + `","page":1}]`
	f("find=mail&root="+spanName(2), `{"spans":3,"found":[],"failed":`+two+`}`)
	f("find=refused", `{"spans":3,"found":`+two+`,"failed":`+two+`}`)
	f("", `{"spans":3,"found":[],"failed":`+two+`}`)
	s.answer("/trace/xyz/matches", 400)
	s.answer(tracePath(9)+"/matches", 404)
}

func BenchmarkTracePage(b *testing.B) {
	s := serve(b, func(j *memory.Journal) { large(b, j, 5000) })
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(len(s.get(tracePath(1), 200))))
	}
}
