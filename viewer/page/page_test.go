package page

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/viewer/query"
	"github.com/waybill-dev/waybill/viewer/viewertest"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const ms = time.Millisecond

// site serves the pages of a journal that the test fills.
type site struct {
	t       testing.TB
	journal *memory.Journal
	mux     *http.ServeMux
}

// serve indexes what fill appends.
func serve(t testing.TB, fill func(j *memory.Journal)) *site {
	t.Helper()
	j := memory.New(memory.Config{})
	t.Cleanup(func() { _ = j.Close() })
	fill(j)
	x := viewertest.Index(t, j)
	x.Tick(time.Now().Add(time.Hour))
	s := &site{t, j, http.NewServeMux()}
	if err := Register(s.mux, query.New(x, j), nil, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return s
}

// get asks for a page and checks its status.
func (s *site) get(path string, status int) string {
	s.t.Helper()
	return s.answer(path, status).Body.String()
}

func (s *site) answer(path string, status int) *httptest.ResponseRecorder {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, path, nil))
	if w.Code != status {
		s.t.Fatalf("%s: status %d, want %d: %.300s", path, w.Code, status, w.Body)
	}
	return w
}

// has checks what is in a page, and what is not, which begins with "!".
func has(t *testing.T, page string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		text, not := strings.CutPrefix(want, "!")
		if strings.Contains(page, text) == not {
			t.Errorf("found %q: %t", text, !not)
		}
	}
}

// all lists what the pattern's group finds.
func all(page, pattern string) []string {
	found := []string{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(page, -1) {
		found = append(found, m[1])
	}
	return found
}

func tracePath(n int) string { return "/trace/" + viewertest.TraceID(n).String() }
func spanName(n int) string  { return viewertest.SpanID(n).String() }

var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `javascript:alert(1)`, `' onmouseover='alert(1)`, `</title><svg onload=alert(1)>`,
}

// hostileTrace says everything that a span can say, in hostile words.
func hostileTrace(t *testing.T) func(j *memory.Journal) {
	return func(j *memory.Journal) {
		now := time.Now().Add(-time.Minute)
		for i, text := range hostile {
			span := viewertest.Fail(viewertest.Span(1, i+1, min(i, 1), text, now, 5*ms), text)
			span.TraceState = text
			span.Attributes = viewertest.Attributes(text, text, "exception.stacktrace", text)
			span.Events = []*tracepb.Span_Event{{Name: text, Attributes: viewertest.Attributes("exception.type", text, "exception.message", text, "exception.stacktrace", text, text, text)}}
			span.Links = []*tracepb.Span_Link{{TraceId: span.TraceId, SpanId: span.SpanId, Attributes: viewertest.Attributes(text, text)}}
			sent := viewertest.Spans(viewertest.Resource(text, text, text), span)
			sent.ScopeSpans[0].Scope = viewertest.Scope(text, text)
			viewertest.AppendSpans(t, j, sent)
			viewertest.AppendLogs(t, j, viewertest.Resource(text), viewertest.Log(1, i+1, now, 17, text, text, text))
		}
	}
}

// element finds the tags of a page; what is escaped has none.
var element = regexp.MustCompile(`<([a-zA-Z][^\s/>]*)((?:[^>"]|"[^"]*")*)>`)

// TestTelemetryStaysText looks at every tag of every page: no element, handler
// or address may come from what spans and logs say.
func TestTelemetryStaysText(t *testing.T) {
	s := serve(t, hostileTrace(t))
	known := strings.Fields("html head meta title link script noscript body a header img nav form input button main div h1 h2 h3 b p dl dt dd " +
		"code span i svg path text line rect circle table thead tbody tr th td aside section pre details summary kbd ol li " +
		"label select option strong time em g defs marker tspan")
	for _, path := range []string{
		"/", "/?service=" + `%22%3E%3Cimg+src%3Dx+onerror%3Dalert(1)%3E`, "/?tags=%22%3E%3Cscript%3E", "/?min=%3Cscript%3E",
		tracePath(1), tracePath(1) + "?span=" + spanName(1), tracePath(1) + "?view=logs", tracePath(1) + "?find=%22%3E%3Cscript%3E",
		tracePath(1) + "?root=%22%3E%3Cscript%3E&page=%22%3E", tracePath(1) + "/span/" + spanName(2) + "?part=1", "/map",
		"/map?lookback=%3Cscript%3E", "/%3Cscript%3E", "/trace/%3Cscript%3E",
	} {
		page := s.ask(path).Body.String()
		for _, tag := range element.FindAllStringSubmatch(page, -1) {
			name, attributes := tag[1], tag[2]
			if !slices.Contains(known, name) {
				t.Errorf("%s: element %q", path, tag[0])
			}
			if name == "script" && !regexp.MustCompile(`^ type="module" src="/static/[a-z]+\.js"$`).MatchString(attributes) {
				t.Errorf("%s: script %q", path, tag[0])
			}
			bare := regexp.MustCompile(`"[^"]*"`).ReplaceAllString(attributes, "")
			if regexp.MustCompile(`(?i)\s(on\w+|style|srcdoc)\b`).MatchString(bare) {
				t.Errorf("%s: attribute in %q", path, tag[0])
			}
			for _, address := range all(attributes, `(?:href|src|action)="([^"]*)"`) {
				if !regexp.MustCompile(`^(/|\?|#main$|#find$)`).MatchString(address) || strings.HasPrefix(address, "//") {
					t.Errorf("%s: address %q", path, address)
				}
			}
		}
	}
}

// ask asks for a page, whatever its status.
func (s *site) ask(path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, path, nil))
	return w
}

func TestFailuresSayWhatToDo(t *testing.T) {
	s := serve(t, func(*memory.Journal) {})
	f := func(path string, status int, wants ...string) {
		t.Helper()
		has(t, s.get(path, status), append(wants, `href="/"`)...)
	}
	f("/nowhere", 404, "There is no such page")
	f("/trace/xyz", 400, "This is no trace id", "“xyz”")
	f("/trace?id=xyz", 400, "This is no trace id")
	f("/trace/"+strings.Repeat("0", 32), 400, "This is no trace id")
	f(tracePath(1), 404, "This trace is not here", "not have been sampled")
	s.answer("/static/nothing.css", 404)
}

func TestAddressesLeadToTheirPage(t *testing.T) {
	s := serve(t, func(j *memory.Journal) {
		viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("a"), viewertest.Span(1, 1, 0, "op", time.Now(), ms)))
	})
	f := func(path, want string) {
		t.Helper()
		if got := s.answer(path, 303).Header().Get("Location"); got != want {
			t.Errorf("%s leads to %s, want %s", path, got, want)
		}
	}
	upper := "/trace/" + strings.ToUpper(viewertest.TraceID(1).String())
	f("/search?service=a&limit=20", "/?service=a&limit=20")
	f("/trace?id=+"+viewertest.TraceID(1).String()+"+", tracePath(1))
	f(upper, tracePath(1))
	f(upper+"?view=logs", tracePath(1)+"?view=logs")
	f(tracePath(1)+"/span/"+spanName(1), tracePath(1)+"?span="+spanName(1)+"#s"+spanName(1))
}

func TestAssetsAreServedOnce(t *testing.T) {
	s := serve(t, func(*memory.Journal) {})
	first := s.answer("/static/trace.js", 200)
	if got := first.Header().Get("Content-Type"); got != "text/javascript; charset=utf-8" {
		t.Errorf("type %q", got)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/static/trace.js", nil)
	r.Header.Set("If-None-Match", first.Header().Get("Etag"))
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	if w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("asked again: status %d, %d bytes", w.Code, w.Body.Len())
	}
}

// TestEveryAssetIsThere follows what pages, modules and styles refer to.
func TestEveryAssetIsThere(t *testing.T) {
	s := serve(t, hostileTrace(t))
	var waiting []string
	for _, path := range []string{"/", tracePath(1), "/map", "/nowhere"} {
		waiting = append(waiting, all(s.ask(path).Body.String(), `(?:href|src)="(/static/[^"]*)"`)...)
	}
	waiting = append(waiting, all(serveBoard(t).get("/board", 200), `(?:href|src)="(/static/[^"]*)"`)...)
	seen := map[string]bool{}
	for len(waiting) > 0 {
		path := waiting[0]
		waiting = waiting[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		for _, module := range all(s.get(path, 200), `(?m)^import (?:[^"]* from )?"\./([^"]*)"`) {
			waiting = append(waiting, "/static/"+module)
		}
	}
	embedded, err := newAssets()
	if err != nil {
		t.Fatal(err)
	}
	for name := range embedded {
		if !seen["/static/"+name] {
			t.Errorf("nothing refers to %s", name)
		}
	}
}

func TestFormats(t *testing.T) {
	f := func(d time.Duration, want string) {
		t.Helper()
		if got := formatDuration(d); got != want {
			t.Errorf("%d ns: got %q, want %q", d, got, want)
		}
	}
	f(0, "0")
	f(999, "999 ns")
	f(1500, "1.5 µs")
	f(12_345, "12.3 µs")
	f(250*ms, "250 ms")
	f(1230*ms, "1.23 s")
	f(59*time.Second, "59 s")
	f(61*time.Second, "1 m 01 s")
	f(25*time.Hour+3*time.Minute, "25 h 03 m")
	g := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	g(formatRate(0, time.Minute), "0/min")
	g(formatRate(30, time.Minute), "30/min")
	g(formatRate(120, time.Minute), "2/s")
	g(formatRate(150_000, time.Minute), "2.5k/s")
	g(formatShare(0, 10), "0 %")
	g(formatShare(1, 100_000), "<0.1 %")
	g(formatShare(1, 3), "33.3 %")
	g(cut("short", 5), "short")
	g(cut("längst", 2), "l…")
	g(percent(ms, 8*ms), "12.5%")
	g(percent(ms, 0), "0%")
}

func TestNiceStep(t *testing.T) {
	f := func(whole, want time.Duration) {
		t.Helper()
		if got := niceStep(whole, 6); got != want {
			t.Errorf("%v: got %v, want %v", whole, got, want)
		}
	}
	f(0, 1)
	f(1, 1)
	f(50*ms, 10*ms)
	f(60*ms, 10*ms)
	f(61*ms, 20*ms)
	f(7*time.Second, 2*time.Second)
}

func TestColoursDifferAndStay(t *testing.T) {
	shop := []string{"gateway", "inventory", "notification", "order", "payment", "psp", "user"}
	colours := palette(shop)
	taken := map[int]string{}
	for _, name := range shop {
		if other, twice := taken[colours[name]]; twice {
			t.Errorf("%s and %s have the same colour", name, other)
		}
		taken[colours[name]] = name
	}
	if diff := cmp.Diff(colours, palette(shop)); diff != "" {
		t.Errorf("asked again:\n%s", diff)
	}
	many := make([]string, 100)
	for i := range many {
		many[i] = strings.Repeat("s", i)
	}
	for name, c := range palette(many) {
		if c < 0 || c >= paletteSize {
			t.Errorf("colour %d for %q", c, name)
		}
	}
}
