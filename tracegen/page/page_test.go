package page

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/tracegen"
	"github.com/waybill-dev/waybill/tracegen/verify"
)

// record is of a run that went badly, with texts that are no HTML.
func record() tracegen.Record {
	r := tracegen.Record{
		Started: time.Unix(1_800_000_000, 0), Endpoint: "http://127.0.0.1:4318", Protocol: tracegen.HTTP, Rate: 1000, Unit: tracegen.Spans,
		Topology: "<shop>", Source: "services: {a: </pre><script>alert(1)</script>}", Elapsed: 3,
		Made: tracegen.Amount{Requests: 30, Traces: 300, Spans: 9000, Bytes: 3 << 20}, Acknowledged: tracegen.Amount{Requests: 29, Traces: 290, Spans: 8700, Bytes: 3 << 20},
		Refusals: []tracegen.Refusal{{Reason: `HTTP 400: <img src="http://evil/">`, N: 1234567}},
		Targets:  []tracegen.Target{{Endpoint: "http://a", Accepted: 20}, {Endpoint: "http://b", Accepted: 9, Refused: 1}},
	}
	for s := range 3 {
		m := tracegen.Moment{Until: float64(s + 1), Due: 3000, Made: tracegen.Amount{Spans: 3000}, Acknowledged: tracegen.Amount{Spans: uint64(2900 - s)}}
		m.Failed.Spans = 100
		m.Latency.P50, m.Latency.P99, m.Latency.Max, m.Late.P99, m.Late.Max = 0.001, 0.02, 0.3, 0.0001, 0.001
		r.Timeline = append(r.Timeline, m)
	}
	r.Percentiles = []tracegen.Percentile{{P: 0, Seconds: 0.0002}, {P: 50, Seconds: 0.001}, {P: 99.9, Seconds: 0.25}}
	return r
}

func write(t *testing.T, r tracegen.Record, v *verify.Result) string {
	t.Helper()
	var out strings.Builder
	if err := Write(&out, r, v); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPageHasAll(t *testing.T) {
	html := write(t, record(), &verify.Result{Asked: 290, Whole: 289, Missing: 1, Examples: []string{"abc is missing"}})
	for _, want := range []string{
		"&lt;shop&gt;", "96.67 % of the spans made were acknowledged", "1\u202f234\u202f567", "1000 spans/s", "289 whole, 1 missing", "trace abc is missing",
		"http://b", "Spans a second", "Latency by percentile", "p99 at 2s: 20ms", "due at 3s: 3000", "latency at 99.9: 250ms", "8\u202f700",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	// What others wrote is text.
	for _, wrong := range []string{"<script", "<img", "</pre><script"} {
		if strings.Contains(html, wrong) {
			t.Errorf("%q is in the page", wrong)
		}
	}
}

func TestPageOfAReplay(t *testing.T) {
	r := record()
	r.Recorded, r.Copies, r.Speed, r.Source, r.Topology = 1200, 3, 2.5, "", "recording"
	html := write(t, r, nil)
	if !strings.Contains(html, "1\u202f200 recorded traces, 3 times each, 2.5 times as fast as recorded") || strings.Contains(html, "YAML") {
		t.Errorf("page:\n%s", html)
	}
}

// The page loads nothing: it has no address but in texts.
func TestPageLoadsNothing(t *testing.T) {
	html := write(t, record(), nil)
	if found := regexp.MustCompile(`(?i)<(link|script|img|iframe|object|embed|base)|<[a-z][^>]*\b(src|href|xlink:href)=|@import|url\(`).FindString(html); found != "" {
		t.Errorf("the page has %q", found)
	}
}

func TestChartsAreSVG(t *testing.T) {
	html := write(t, record(), nil)
	drawings := regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(html, -1)
	if len(drawings) != 3 {
		t.Fatalf("%d charts", len(drawings))
	}
	for _, d := range drawings {
		decoder := xml.NewDecoder(strings.NewReader(d))
		for {
			_, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%v in %s", err, d)
			}
		}
		for _, found := range regexp.MustCompile(`(?:NaN|Inf)`).FindAllString(d, -1) {
			t.Errorf("%s in %s", found, d)
		}
	}
}

// A run that sent nothing, and one that was over at once, have pages, too.
func TestPageOfNothing(t *testing.T) {
	nothing := tracegen.Record{Topology: "shop"}
	if html := write(t, nothing, nil); strings.Contains(html, "<svg") {
		t.Error("nothing is drawn as something")
	}
	nothing.Timeline = []tracegen.Moment{{Until: 0.01}}
	if html := write(t, nothing, nil); strings.Contains(html, "NaN") {
		t.Error("nothing is drawn as NaN")
	}
}
