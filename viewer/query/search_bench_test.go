package query_test

import (
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/file"
	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/query"
	"github.com/waybill-dev/waybill/viewer/viewertest"
)

// BenchmarkSearch searches 100,000 traces of 8 spans in a file journal: what a
// person waits for after pressing the button. "rare" tags are in one trace of
// a thousand.
func BenchmarkSearch(b *testing.B) {
	engine := manyTraces(b, 100_000, 8)
	cases := []struct {
		name string
		q    query.Query
	}{
		{"newest", query.Query{}},
		{"service", query.Query{Filter: index.Filter{Service: "service-3"}}},
		{"operation", query.Query{Filter: index.Filter{Service: "service-3", Operation: "operation-3"}}},
		{"duration", query.Query{Filter: index.Filter{Service: "service-3", MinDuration: 4 * time.Millisecond}}},
		{"nothing found", query.Query{Filter: index.Filter{MinDuration: time.Hour}}},
		{"common tag", query.Query{Tags: []query.Tag{{Key: "http.route", Value: "/orders/{id}"}}}},
		{"rare tag", query.Query{Tags: []query.Tag{{Key: "customer", Value: "c-7"}}}},
	}
	for _, c := range cases {
		c.q.Limit = 50
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				result, err := engine.Search(b.Context(), c.q)
				if err != nil {
					b.Fatal(err)
				}
				if len(result.Traces) == 0 && c.name != "nothing found" {
					b.Fatal("nothing found")
				}
			}
		})
	}
}

// BenchmarkIndex is how fast a viewer that starts goes through its journal.
func BenchmarkIndex(b *testing.B) {
	j := openJournal(b)
	const traces, spans = 10_000, 8
	fill(b, j, traces, spans)
	b.SetBytes(int64(j.Stats().End))
	b.ReportAllocs()
	for b.Loop() {
		if got := viewertest.Index(b, j).Stats().Traces; got != traces {
			b.Fatalf("%d traces", got)
		}
	}
	b.ReportMetric(float64(traces*spans*b.N)/b.Elapsed().Seconds(), "spans/s")
}

// BenchmarkOpen reads one trace of 8 spans back.
func BenchmarkOpen(b *testing.B) {
	engine := manyTraces(b, 10_000, 8)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		opened, err := engine.Open(b.Context(), viewertest.TraceID(i%10_000))
		if err != nil || len(opened.Spans) != 8 {
			b.Fatal(err)
		}
	}
}

func openJournal(b *testing.B) journal.Journal {
	b.Helper()
	cfg := file.DefaultConfig()
	cfg.Dir, cfg.Sync = b.TempDir(), file.SyncNever
	j, err := file.Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := j.Close(); err != nil {
			b.Error(err)
		}
	})
	return j
}

// fill appends traces in requests of 64 traces, as a busy exporter batches them.
func fill(b *testing.B, j journal.Journal, traces, spans int) {
	b.Helper()
	const batch = 64
	for first := 0; first < traces; first += batch {
		var sent []*tracepb.ResourceSpans
		for s := range spans {
			group := viewertest.Spans(viewertest.Resource(fmt.Sprint("service-", s), "service.instance.id", "a"))
			for n := first; n < min(first+batch, traces); n++ {
				start := noon.Add(time.Duration(n) * time.Millisecond)
				span := viewertest.Span(n, s+1, s, fmt.Sprint("operation-", s), start, time.Duration(n%7)*time.Millisecond)
				span.Attributes = viewertest.Attributes(
					"http.route", "/orders/{id}", "http.response.status_code", 200, "customer", fmt.Sprint("c-", n%1000))
				group.ScopeSpans[0].Spans = append(group.ScopeSpans[0].Spans, span)
			}
			sent = append(sent, group)
		}
		viewertest.AppendSpans(b, j, sent...)
	}
}

func manyTraces(b *testing.B, traces, spans int) *query.Engine {
	b.Helper()
	j := openJournal(b)
	fill(b, j, traces, spans)
	before := heap()
	x := viewertest.Index(b, j)
	b.Logf("%d bytes of heap per trace, the spans of growing traces included", (heap()-before)/int64(traces))
	return query.New(x, j)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
