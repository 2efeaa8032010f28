package sample

import (
	"runtime"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
)

// BenchmarkTake measures what a span costs on its way through the engine, in
// traces of ten spans, of which one in twenty has an error.
func BenchmarkTake(b *testing.B) {
	const traces, spans = 1000, 10
	payloads := make([][]byte, traces)
	size := 0
	for n := range payloads {
		var all []*tracepb.Span
		for k := range spans {
			options := []option{with("http.request.method", "GET"), with("url.path", "/api/v1/orders/4711"), with("server.address", "shop.example")}
			if k > 0 {
				options = append(options, child)
			} else if n%20 == 0 {
				options = append(options, failed)
			}
			all = append(all, spanOf(n, k, options...))
		}
		payloads[n] = request(b, "shop", all...)
		size += len(payloads[n])
	}
	cfg := tailOf(Policy{Type: Error}, Policy{Type: Latency, MinDuration: time.Second}, Policy{Type: Probability, Percent: 10})
	b.ReportAllocs()
	b.SetBytes(int64(size / traces))
	tp, p := newTape(b, cfg)
	n := 0
	for b.Loop() {
		if n%traces == 0 {
			tp.now = tp.now.Add(time.Hour)
			tp.engine.memory = newRemembered(cfg.Tail.RememberTraces, func() {})
			p.clear()
		}
		r := journal.Record{Offset: tp.offset, Next: tp.offset + 1, Time: tp.now, Signal: journal.Traces, Payload: payloads[n%traces]}
		tp.offset++
		n++
		if err := tp.engine.take(&r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/spans, "ns/span")
}

// TestMemoryOfWaitingTraces holds what a trace that waits takes against what
// the engine counts, which is what max_memory_bytes bounds.
func TestMemoryOfWaitingTraces(t *testing.T) {
	cfg := tailOf(Policy{Type: Error})
	cfg.Tail.MaxTraces, cfg.Tail.MaxMemoryBytes = maxTraces, 1<<40
	tp, p := newTape(t, cfg)
	heap := func() uint64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	const traces = 10_000
	before := heap()
	for n := range traces {
		tp.play(0, "shop", spanOf(n, 0), spanOf(n, 1, child))
		tp.play(0, "shop", spanOf(n, 2, child))
	}
	took := heap() - before
	t.Logf("a trace takes %d bytes, and counts as %d", took/traces, p.engine.bytes/traces)
	if took > 2*uint64(p.engine.bytes) || took > 512*traces {
		t.Errorf("%d traces take %d bytes, and count as %d", traces, took, p.engine.bytes)
	}
	runtime.KeepAlive(tp)
}

// BenchmarkCut measures what a span costs that is cut out, or left out, of
// requests of a hundred spans, of which one in three is wanted.
func BenchmarkCut(b *testing.B) {
	const spans = 100
	var all []*tracepb.Span
	wanted := map[wire.TraceID]verdict{}
	for n := range spans {
		all = append(all, spanOf(n, 0, with("http.request.method", "GET"), with("url.path", "/api/v1/orders/4711"), with("server.address", "shop.example")))
		if n%3 == 0 {
			wanted[idOf(n)] = verdict{keep: true, threshold: uint64(n%2) << 55}
		}
	}
	payload := request(b, "shop", all...)
	c := wanting(wanted)
	var dst []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		var err error
		if dst, _, err = c.cut(dst[:0], payload); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/spans, "ns/span")
}
