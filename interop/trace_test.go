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
	TraceID       string      `json:"traceID"`
	SpanID        string      `json:"spanID"`
	OperationName string      `json:"operationName"`
	References    []reference `json:"references"`
	StartTime     int64       `json:"startTime"` // µs since 1970
	Tags          []tag       `json:"tags"`
	ProcessID     string      `json:"processID"`
}

type reference struct {
	RefType string `json:"refType"`
	TraceID string `json:"traceID"`
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

// parent is the id of the span that this one is a child of. Jaeger turns the
// parent into FOLLOWS_FROM where the span is linked to its parent too, as a
// consumer's is; its pages draw both alike. Links to other traces are no parents.
func (s span) parent() string {
	for _, kind := range []string{"CHILD_OF", "FOLLOWS_FROM"} {
		at := slices.IndexFunc(s.References, func(r reference) bool { return r.RefType == kind && r.TraceID == s.TraceID })
		if at >= 0 {
			return s.References[at].SpanID
		}
	}
	return ""
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

// differs says how the trace differs from the lines that are wanted.
func (tr trace) differs(want string) string {
	return gocmp.Diff(strings.Split(want, "\n"), strings.Split(tr.render(), "\n"))
}

func TestRender(t *testing.T) {
	kind := func(kind string) []tag { return []tag{{"span.kind", kind}} }
	child := func(of string) reference { return reference{"CHILD_OF", "t", of} }
	link := func(trace, span string) reference { return reference{"FOLLOWS_FROM", trace, span} }
	tr := trace{
		Processes: map[string]process{"p1": {"gateway"}, "p2": {"user"}},
		Spans: []span{
			{SpanID: "3", OperationName: "late", References: []reference{child("1")}, StartTime: 9, ProcessID: "p1"},
			{SpanID: "4", OperationName: "orphan", References: []reference{child("8")}, ProcessID: "p1"},
			{
				SpanID: "2", OperationName: "early", References: []reference{link("t", "3"), child("1")},
				StartTime: 5, ProcessID: "p2", Tags: append(kind("client"), tag{"error", true}),
			},
			{SpanID: "1", OperationName: "GET /", ProcessID: "p1", References: []reference{link("u", "9")}, Tags: kind("server")},
			{SpanID: "5", OperationName: "consume", ProcessID: "p2", References: []reference{link("t", "3")}, Tags: kind("consumer")},
		},
	}
	for i := range tr.Spans {
		tr.Spans[i].TraceID = "t"
	}
	want := `gateway server GET /
  user client early ERROR
  gateway internal late
    user consumer consume
lost its parent: gateway internal orphan
`
	if diff := tr.differs(want); diff != "" {
		t.Errorf("rendered differently (-want +got):\n%s", diff)
	}
}
