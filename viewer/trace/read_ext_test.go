package trace_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	logpb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/trace"
	"github.com/waybill-dev/waybill/viewer/viewertest"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const ms = time.Millisecond

// read indexes the journal and reads trace 1 back.
func read(t *testing.T, j journal.Journal) *trace.Trace {
	t.Helper()
	summary, ok := viewertest.Index(t, j).Trace(viewertest.TraceID(1))
	if !ok {
		t.Fatal("trace 1 is not in the index")
	}
	traces, err := trace.Read(t.Context(), j, []index.Summary{summary})
	if err != nil {
		t.Fatal(err)
	}
	return traces[0]
}

func names(t *trace.Trace) []string {
	list := make([]string, 0, len(t.Spans))
	for _, s := range t.Spans {
		list = append(list, s.Name)
	}
	return list
}

func TestReadKeepsEverythingSent(t *testing.T) {
	j := memory.New(memory.Config{})
	span := viewertest.Fail(viewertest.Span(1, 2, 1, "Take", noon, 5*ms), "card declined")
	span.Kind = tracepb.Span_SPAN_KIND_CONSUMER
	span.TraceState = "vendor=1"
	span.Attributes = viewertest.Attributes("text", "a", "flag", true, "count", -3, "share", 0.5, "raw", []byte{1, 2}, "list", []string{"x"})
	span.Events = []*tracepb.Span_Event{
		{Name: "declined", TimeUnixNano: uint64(noon.Add(2 * ms).UnixNano()), Attributes: viewertest.Attributes("code", 51)},
	}
	linked, linkedSpan := viewertest.TraceID(9), viewertest.SpanID(8)
	span.Links = []*tracepb.Span_Link{{TraceId: linked[:], SpanId: linkedSpan[:], Attributes: viewertest.Attributes("why", "batch")}}
	span.DroppedAttributesCount, span.DroppedEventsCount, span.DroppedLinksCount = 1, 2, 3
	sent := viewertest.Spans(viewertest.Resource("payment", "host.name", "blue"), span)
	sent.ScopeSpans[0].Scope = viewertest.Scope("paymw", "0.2.0")
	viewertest.AppendSpans(t, j, sent)

	text := func(key, value string) trace.Attribute { return trace.Attribute{Key: key, Value: trace.Text(value)} }
	number := func(key string, value int64) trace.Attribute {
		return trace.Attribute{Key: key, Value: trace.Value{Type: trace.Int, Int: value}}
	}
	want := &trace.Trace{ID: viewertest.TraceID(1), Spans: []*trace.Span{{
		ID: viewertest.SpanID(2), Parent: viewertest.SpanID(1), Name: "Take", State: "vendor=1", Kind: index.Consumer,
		Start: noon, End: noon.Add(5 * ms), Status: trace.Error, Message: "card declined",
		Attributes: []trace.Attribute{
			text("text", "a"),
			{Key: "flag", Value: trace.Value{Type: trace.Bool, Int: 1}},
			number("count", -3),
			{Key: "share", Value: trace.Value{Type: trace.Float, Float: 0.5}},
			{Key: "raw", Value: trace.Value{Type: trace.Bytes, Str: "\x01\x02"}},
			text("list", `["x"]`),
		},
		Events: []trace.Event{{Time: noon.Add(2 * ms), Name: "declined", Attributes: []trace.Attribute{number("code", 51)}}},
		Links: []trace.Link{{
			Trace: viewertest.TraceID(9), Span: viewertest.SpanID(8), Attributes: []trace.Attribute{text("why", "batch")},
		}},
		DroppedAttributes: 1, DroppedEvents: 2, DroppedLinks: 3,
		Resource: &trace.Resource{
			Service: "payment", Attributes: []trace.Attribute{text("service.name", "payment"), text("host.name", "blue")},
		},
		Scope: &trace.Scope{Name: "paymw", Version: "0.2.0"},
	}}}
	if diff := cmp.Diff(want, read(t, j)); diff != "" {
		t.Errorf("trace (-want +got):\n%s", diff)
	}
}

func TestReadPutsTogetherWhatCameApart(t *testing.T) {
	j := memory.New(memory.Config{})
	gateway, order := viewertest.Resource("gateway"), viewertest.Resource("order")
	// Each service sends on its own, children come before parents, other
	// traces share the records, and one record comes twice.
	child := viewertest.Spans(order, viewertest.Span(1, 3, 2, "third", noon.Add(2*ms), ms))
	viewertest.AppendSpans(t, j, child, viewertest.Spans(gateway, viewertest.Span(2, 1, 0, "stranger", noon, ms)))
	viewertest.AppendSpans(t, j, child)
	viewertest.AppendSpans(t, j, viewertest.Spans(order, viewertest.Span(3, 1, 0, "stranger", noon, ms)))
	viewertest.AppendSpans(t, j, viewertest.Spans(gateway,
		viewertest.Span(1, 2, 1, "second", noon.Add(ms), 5*ms), viewertest.Span(1, 1, 0, "first", noon, 9*ms)))
	late := viewertest.Span(1, 4, 3, "late", noon.Add(time.Minute), ms)
	viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("notification"), late))

	got := read(t, j)
	if diff := cmp.Diff([]string{"first", "second", "third", "late"}, names(got)); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	roots := got.Tree()
	if len(roots) != 1 || roots[0].Size != 4 {
		t.Errorf("the tree has %d roots", len(roots))
	}
	if start, end := got.Bounds(); !start.Equal(noon) || !end.Equal(noon.Add(time.Minute+ms)) {
		t.Errorf("bounds: %v to %v", start, end)
	}
}

func TestReadBringsLogs(t *testing.T) {
	j := memory.New(memory.Config{})
	order := viewertest.Resource("order")
	viewertest.AppendLogs(t, j, order,
		viewertest.Log(1, 2, noon.Add(2*ms), logpb.SeverityNumber_SEVERITY_NUMBER_WARN, "stock is low", "left", 3),
		viewertest.Log(2, 2, noon, logpb.SeverityNumber_SEVERITY_NUMBER_INFO, "of another trace"))
	viewertest.AppendSpans(t, j, viewertest.Spans(order, viewertest.Span(1, 2, 0, "Create", noon, 5*ms)))
	early := viewertest.Log(1, 2, noon.Add(ms), logpb.SeverityNumber_SEVERITY_NUMBER_INFO2, "", "a", "b")
	early.TimeUnixNano, early.ObservedTimeUnixNano = 0, early.GetTimeUnixNano()
	early.Body, early.EventName = nil, "order.created"
	viewertest.AppendLogs(t, j, order, early)

	resource := &trace.Resource{Service: "order", Attributes: []trace.Attribute{{Key: "service.name", Value: trace.Text("order")}}}
	want := []trace.Log{
		{
			Time: noon.Add(ms), Severity: 10, Body: "order.created", Span: viewertest.SpanID(2), Resource: resource,
			Attributes: []trace.Attribute{{Key: "a", Value: trace.Text("b")}},
		},
		{
			Time: noon.Add(2 * ms), Severity: 13, Body: "stock is low", Span: viewertest.SpanID(2), Resource: resource,
			Attributes: []trace.Attribute{{Key: "left", Value: trace.Value{Type: trace.Int, Int: 3}}},
		},
	}
	got := read(t, j)
	if diff := cmp.Diff(want, got.Logs); diff != "" {
		t.Errorf("logs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Create"}, names(got)); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}

func TestReadCountsWhatIsGone(t *testing.T) {
	j := memory.New(memory.Config{MaxBytes: 1000})
	a := viewertest.Resource("a")
	viewertest.AppendSpans(t, j, viewertest.Spans(a, viewertest.Span(1, 1, 0, "first", noon, ms)))
	viewertest.AppendSpans(t, j, viewertest.Spans(a, viewertest.Span(1, 2, 1, "second", noon, ms)))
	summary, _ := viewertest.Index(t, j).Trace(viewertest.TraceID(1))
	first := j.Stats().Oldest
	for n := 10; j.Stats().Oldest == first; n++ {
		viewertest.AppendSpans(t, j, viewertest.Spans(a, viewertest.Span(n, 1, 0, "more", noon, ms)))
	}
	traces, err := trace.Read(t.Context(), j, []index.Summary{summary})
	if err != nil {
		t.Fatal(err)
	}
	if got := traces[0]; got.Gone != 1 || len(got.Spans) != 1 || got.Spans[0].Name != "second" {
		t.Errorf("got %d records gone and spans %v", got.Gone, names(got))
	}
}

func TestReadSeveralInTheirOrder(t *testing.T) {
	j := memory.New(memory.Config{})
	for n := range 5 {
		viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("a"),
			viewertest.Span(n, 1, 0, string(rune('a'+n)), noon, ms), viewertest.Span(n+1, 2, 1, "shared", noon.Add(ms), ms)))
	}
	x := viewertest.Index(t, j)
	var asked []index.Summary
	for _, n := range []int{3, 1, 4} {
		summary, _ := x.Trace(viewertest.TraceID(n))
		asked = append(asked, summary)
	}
	traces, err := trace.Read(t.Context(), j, asked)
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for _, one := range traces {
		got = append(got, names(one))
	}
	if diff := cmp.Diff([][]string{{"d", "shared"}, {"b", "shared"}, {"e", "shared"}}, got); diff != "" {
		t.Errorf("traces (-want +got):\n%s", diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := trace.Read(ctx, j, asked); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func TestOddTimes(t *testing.T) {
	j := memory.New(memory.Config{})
	backwards := viewertest.Span(1, 1, 0, "ends before it starts", noon, -5*ms)
	far := viewertest.Span(1, 2, 1, "far away", noon, ms)
	far.StartTimeUnixNano, far.EndTimeUnixNano = math.MaxUint64-1, math.MaxUint64
	viewertest.AppendSpans(t, j, viewertest.Spans(nil, backwards, far))
	got := read(t, j)
	for _, s := range got.Spans {
		if s.Duration() < 0 {
			t.Errorf("%s lasts %v", s.Name, s.Duration())
		}
		if s.Resource.Service != index.UnknownService {
			t.Errorf("a service without a name is called %q", s.Resource.Service)
		}
	}
	if start, end := got.Bounds(); end.Before(start) {
		t.Errorf("bounds: %v to %v", start, end)
	}
}
