package interop

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// trace is what of Jaeger's v1 model the tests look at.
type trace struct {
	TraceID   string             `json:"traceID"`
	Spans     []span             `json:"spans"`
	Processes map[string]process `json:"processes"`
}

type process struct {
	ServiceName string `json:"serviceName"`
}

type span struct {
	SpanID        string      `json:"spanID"`
	OperationName string      `json:"operationName"`
	References    []reference `json:"references"`
	StartTime     int64       `json:"startTime"` // µs since 1970
	Tags          []tag       `json:"tags"`
	ProcessID     string      `json:"processID"`
}

type reference struct {
	RefType string `json:"refType"`
	SpanID  string `json:"spanID"`
}

type tag struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
}

// tag is the value of the span's tag, as text.
func (s span) tag(key string) string {
	at := slices.IndexFunc(s.Tags, func(t tag) bool { return t.Key == key })
	if at < 0 {
		return ""
	}
	return fmt.Sprint(s.Tags[at].Value)
}

// parent is the id of the span that this one is a child of. A link to it may
// stand beside that, and is no parent.
func (s span) parent() string {
	at := slices.IndexFunc(s.References, func(r reference) bool { return r.RefType == "CHILD_OF" })
	if at < 0 {
		return ""
	}
	return s.References[at].SpanID
}

// render draws the trace with one line for each span below its parent, in the
// order in which they began: service, kind, name, and ERROR where it failed.
func (tr trace) render() string {
	known := map[string]bool{}
	for _, s := range tr.Spans {
		known[s.SpanID] = true
	}
	children := map[string][]span{}
	for _, s := range tr.Spans {
		parent := s.parent()
		if parent != "" && !known[parent] {
			parent = "lost" // a root that it should not be
		}
		children[parent] = append(children[parent], s)
	}
	var out strings.Builder
	tr.renderBelow(&out, children, "", 0)
	for _, s := range children["lost"] {
		fmt.Fprintf(&out, "lost its parent: %s\n", tr.line(s))
	}
	return out.String()
}

func (tr trace) renderBelow(out *strings.Builder, children map[string][]span, parent string, depth int) {
	below := children[parent]
	slices.SortStableFunc(below, func(a, b span) int { return cmp.Compare(a.StartTime, b.StartTime) })
	for _, s := range below {
		fmt.Fprintf(out, "%s%s\n", strings.Repeat("  ", depth), tr.line(s))
		tr.renderBelow(out, children, s.SpanID, depth+1)
	}
}

func (tr trace) line(s span) string {
	line := fmt.Sprintf("%s %s %s", tr.Processes[s.ProcessID].ServiceName, cmp.Or(s.tag("span.kind"), "internal"), s.OperationName)
	if s.tag("error") == "true" || s.tag("otel.status_code") == "ERROR" {
		line += " ERROR"
	}
	return line
}

func TestRender(t *testing.T) {
	kind := func(kind string) []tag { return []tag{{"span.kind", kind}} }
	tr := trace{
		Processes: map[string]process{"p1": {"gateway"}, "p2": {"user"}},
		Spans: []span{
			{SpanID: "3", OperationName: "late", References: []reference{{"CHILD_OF", "1"}}, StartTime: 9, ProcessID: "p1"},
			{SpanID: "4", OperationName: "orphan", References: []reference{{"CHILD_OF", "8"}}, ProcessID: "p1"},
			{
				SpanID: "2", OperationName: "early", References: []reference{{"FOLLOWS_FROM", "3"}, {"CHILD_OF", "1"}},
				StartTime: 5, ProcessID: "p2", Tags: append(kind("client"), tag{"error", true}),
			},
			{SpanID: "1", OperationName: "GET /", ProcessID: "p1", Tags: kind("server")},
		},
	}
	want := `gateway server GET /
  user client early ERROR
  gateway internal late
lost its parent: gateway internal orphan
`
	if diff := gocmp.Diff(want, tr.render()); diff != "" {
		t.Errorf("rendered differently (-want +got):\n%s", diff)
	}
}
