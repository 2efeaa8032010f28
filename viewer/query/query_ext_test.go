package query_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/query"
	"github.com/waybill-dev/waybill/viewer/viewertest"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const ms = time.Millisecond

// shop appends ten orders, one a second, whose number is their trace's. Each
// has a span of the gateway and one of order; every third is declined by payment.
func shop(t *testing.T, j journal.Journal) {
	t.Helper()
	gateway := viewertest.Resource("gateway", "service.version", "1.4.0", "host.name", "blue")
	for n := range 10 {
		start := noon.Add(time.Duration(n) * time.Second)
		root := viewertest.Span(n, 1, 0, "POST /orders", start, time.Duration(n+10)*10*ms)
		root.Attributes = viewertest.Attributes("http.response.status_code", 201, "items", []string{"tea", "cup"})
		create := viewertest.Span(n, 2, 1, "Create", start.Add(ms), time.Duration(n+1)*ms)
		create.Attributes = viewertest.Attributes("order.id", "o-"+string(rune('0'+n)), "express", n%2 == 0, "total", 12.5)
		viewertest.AppendSpans(t, j, viewertest.Spans(gateway, root), viewertest.Spans(viewertest.Resource("order"), create))
		if n%3 == 0 {
			take := viewertest.Fail(viewertest.Span(n, 3, 2, "Take", start.Add(2*ms), ms), "card declined")
			take.Kind = tracepb.Span_SPAN_KIND_CLIENT
			take.Events = []*tracepb.Span_Event{{Name: "declined", Attributes: viewertest.Attributes("code", 51)}}
			sent := viewertest.Spans(viewertest.Resource("payment"), take)
			sent.ScopeSpans[0].Scope = viewertest.Scope("paymw", "0.2.0")
			viewertest.AppendSpans(t, j, sent)
		}
	}
}

func numbers(found []index.Summary) []int {
	var list []int
	for _, s := range found {
		list = append(list, int(binary.BigEndian.Uint64(s.ID[8:])))
	}
	return list
}

func TestSearch(t *testing.T) {
	j := memory.New(memory.Config{})
	shop(t, j)
	engine := query.New(viewertest.Index(t, j), j)
	tag := func(key, value string) query.Query { return query.Query{Tags: []query.Tag{{Key: key, Value: value}}} }
	f := func(name string, q query.Query, want ...int) {
		t.Helper()
		q.Limit = 100
		result, err := engine.Search(t.Context(), q)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if !result.Until.IsZero() {
			t.Errorf("%s: the search gave up at %v", name, result.Until)
		}
		if diff := cmp.Diff(want, numbers(result.Traces)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	f("everything", query.Query{}, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
	f("service", query.Query{Filter: index.Filter{Service: "payment"}}, 9, 6, 3, 0)
	f("operation", query.Query{Filter: index.Filter{Operation: "Take"}}, 9, 6, 3, 0)
	f("operation of another service", query.Query{Filter: index.Filter{Service: "order", Operation: "Take"}})
	f("errors", query.Query{Filter: index.Filter{Errors: true}}, 9, 6, 3, 0)
	f("errors of a service that has none", query.Query{Filter: index.Filter{Service: "order", Errors: true}})
	f("errors of an operation that has none", query.Query{Filter: index.Filter{Operation: "Create", Errors: true}})
	f("errors of an operation", query.Query{Filter: index.Filter{Operation: "Take", Errors: true}}, 9, 6, 3, 0)
	f("window", query.Query{Filter: index.Filter{From: noon.Add(2 * time.Second), To: noon.Add(4 * time.Second)}}, 4, 3, 2)
	f("duration of the trace", query.Query{Filter: index.Filter{MinDuration: 120 * ms, MaxDuration: 140 * ms}}, 4, 3, 2)
	f("duration of a service's span", query.Query{Filter: index.Filter{Service: "order", MinDuration: 3 * ms, MaxDuration: 5 * ms}}, 4, 3, 2)
	f("longest duration of an operation's span", query.Query{Filter: index.Filter{Operation: "Create", MaxDuration: 2 * ms}}, 1, 0)

	f("text", tag("order.id", "o-7"), 7)
	f("text that nobody has", tag("order.id", "o-77"))
	f("bool", tag("express", "true"), 8, 6, 4, 2, 0)
	f("number", tag("http.response.status_code", "201"), 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
	f("fraction", tag("total", "12.5"), 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
	f("list", tag("items", `["tea","cup"]`), 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
	f("resource", tag("host.name", "blue"), 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
	f("attribute of an event", tag("code", "51"), 9, 6, 3, 0)
	f("name of an event", tag("event", "declined"), 9, 6, 3, 0)
	f("key alone", tag("code", ""), 9, 6, 3, 0)
	f("error", tag("error", "true"), 9, 6, 3, 0)
	f("kind", tag("span.kind", "client"), 9, 6, 3, 0)
	f("status", tag("otel.status_code", "ERROR"), 9, 6, 3, 0)
	f("status message", tag("otel.status_description", "card declined"), 9, 6, 3, 0)
	f("scope", tag("otel.scope.name", "paymw"), 9, 6, 3, 0)
	f("scope's version", tag("otel.scope.version", "0.2.0"), 9, 6, 3, 0)
	both := tag("express", "true")
	both.Tags = append(both.Tags, query.Tag{Key: "order.id", Value: "o-4"})
	f("two tags of one span", both, 4)
	apart := tag("express", "true")
	apart.Tags = append(apart.Tags, query.Tag{Key: "http.response.status_code", Value: "201"})
	f("two tags of different spans", apart)
	elsewhere := tag("express", "true")
	elsewhere.Service = "gateway"
	f("a tag of another service's span", elsewhere)
}

func TestSearchKeepsToTheLimit(t *testing.T) {
	j := memory.New(memory.Config{})
	shop(t, j)
	engine := query.New(viewertest.Index(t, j), j)
	for _, q := range []query.Query{{Limit: 3}, {Limit: 3, Tags: []query.Tag{{Key: "total", Value: "12.5"}}}} {
		result, err := engine.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{9, 8, 7}, numbers(result.Traces)); diff != "" {
			t.Errorf("the newest three (-want +got):\n%s", diff)
		}
	}
}

func TestSearchEndsWithItsContext(t *testing.T) {
	j := memory.New(memory.Config{})
	shop(t, j)
	engine := query.New(viewertest.Index(t, j), j)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := engine.Search(ctx, query.Query{Limit: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("search: %v", err)
	}
}

func TestOpen(t *testing.T) {
	j := memory.New(memory.Config{MaxBytes: 4096})
	shop(t, j)
	x := viewertest.Index(t, j)
	engine := query.New(x, j)
	if _, err := engine.Open(t.Context(), viewertest.TraceID(77)); !errors.Is(err, query.ErrNotFound) {
		t.Errorf("a trace that nobody sent: %v", err)
	}
	opened, err := engine.Open(t.Context(), viewertest.TraceID(9))
	if err != nil {
		t.Fatal(err)
	}
	if len(opened.Spans) != 3 || opened.Gone != 0 {
		t.Errorf("got %d spans, %d records gone", len(opened.Spans), opened.Gone)
	}
	// The budget is used up, so that the oldest records go.
	viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("a"), viewertest.Span(50, 1, 0, string(make([]byte, 3900)), noon, ms)))
	if _, err := engine.Open(t.Context(), viewertest.TraceID(9)); !errors.Is(err, query.ErrNotFound) {
		t.Errorf("a trace whose records are gone: %v", err)
	}
	result, err := engine.Search(t.Context(), query.Query{Limit: 9, Tags: []query.Tag{{Key: "error"}}})
	if err != nil || len(result.Traces) != 0 {
		t.Errorf("search of what is gone: %v, %v", numbers(result.Traces), err)
	}
	x.Forget(j.Stats().Oldest)
	if _, err := engine.Open(t.Context(), viewertest.TraceID(9)); !errors.Is(err, query.ErrNotFound) {
		t.Errorf("a trace that the index has forgotten: %v", err)
	}
}

func TestErrorsOfTheJournalAreTold(t *testing.T) {
	j := memory.New(memory.Config{})
	shop(t, j)
	engine := query.New(viewertest.Index(t, j), j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Open(t.Context(), viewertest.TraceID(9)); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("open: %v", err)
	}
	if _, err := engine.Search(t.Context(), query.Query{Limit: 1, Tags: []query.Tag{{Key: "a"}}}); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("search: %v", err)
	}
}

func TestProgress(t *testing.T) {
	j := memory.New(memory.Config{})
	engine := query.New(viewertest.Index(t, j), j)
	if got := engine.Progress(); got != (query.Progress{}) {
		t.Errorf("of an empty journal: %+v", got)
	}
	shop(t, j)
	end := j.Stats().End
	if got := engine.Progress(); got.Behind != end {
		t.Errorf("before anything is read: %+v, the journal ends at %d", got, end)
	}
	fault := errors.New("disk on fire")
	engine.Report(end-10, fault)
	if got := engine.Progress(); got.Next != end-10 || got.Behind != 10 || !errors.Is(got.Fault, fault) {
		t.Errorf("after a report: %+v", got)
	}
}
