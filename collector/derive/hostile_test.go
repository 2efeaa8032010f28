package derive

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/journal"
)

// heap is what is in use after a collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// TestMemoryHasACeiling sends what takes the most room: names, dimensions,
// services, peers and traces that never come twice, each as long as they get,
// and durations that fall into all buckets.
func TestMemoryHasACeiling(t *testing.T) {
	const (
		records, perRecord = 120, 250
		ceiling            = 32 << 20
	)
	cfg := DefaultConfig()
	cfg.Dimensions = []string{"a", "b"}
	cfg.MaxSeries, cfg.Graph.MaxPending, cfg.Graph.MaxEdges = 2000, 5000, 1000
	before := heap()
	s := newScan(cfg, newMeters())
	var peak int64
	for i := range records {
		spans := make([]*tracepb.Span, perRecord)
		for j := range spans {
			n := i*perRecord + j
			long := fmt.Sprint(n, strings.Repeat("x", 300))
			spans[j] = make1([]tracepb.Span_SpanKind{serverKind, clientKind, producerKind, consumerKind}[n%4], at(n+1, n+2), took(1<<(n%40)),
				attr("a", long), attr("b", long), attr("peer.service", long), inTrace(fmt.Sprintf("%016x", n)))
			spans[j].Name = long
			if n%8 == 1 {
				attr("db.system.name", long)(spans[j])
			}
			if n%50 == 3 {
				for k := range 100 {
					linked("", 10_000_000+k)(spans[j])
				}
			}
		}
		r := arrived(t, time.Duration(i)*time.Millisecond, fmt.Sprint("service-", i, strings.Repeat("y", 300)), spans...)
		s.count(time.Now(), []journal.Record{r})
		if i%40 == 39 {
			peak = max(peak, heap()-before)
		}
	}
	t.Logf("%d MiB for %v series, %v edges and %v spans that wait", peak>>20, s.red.size(), s.graph.size(), s.graph.pending())
	if peak > ceiling {
		t.Errorf("%d bytes", peak)
	}
	if s.red.size() > 2000 || s.graph.pending() > 5000 || s.graph.size() > 1000 || len(s.texts) > maxInterned {
		t.Error("a bound does not hold")
	}
	if testutil.ToFloat64(s.meters.overflowed) < 25_000 || testutil.ToFloat64(s.meters.evicted) == 0 {
		t.Error("what goes beyond a bound is not counted")
	}
	// When nothing comes any more, what waited goes, and its memory.
	s.idle(noon.Add(time.Hour))
	if s.graph.pairs.held != 0 || s.graph.pairs.slots != nil {
		t.Errorf("%d spans still wait", s.graph.pairs.held)
	}
	runtime.KeepAlive(s)
}

// FuzzScan counts bytes of any kind. Nothing panics, bounds hold, the sum over
// all series is the number of spans, and what is exposed is well formed.
func FuzzScan(f *testing.F) {
	seed := func(r journal.Record) { f.Add(r.Payload) }
	for _, r := range smallLoad(f) {
		seed(r)
	}
	seed(record(f, "\U0001F4E6", make1(consumerKind, at(1, 2), linked("", 3), linked("", 3), tracestate("ot=th:fffffffffffff"), attr("db.system", "x"))))
	f.Add([]byte{10, 5})
	f.Add(bytes.Repeat([]byte{10}, 100))
	cfg := DefaultConfig()
	cfg.Dimensions = []string{"http.route", "service.name2"}
	cfg.MaxSeries, cfg.MaxSeriesPerService, cfg.Graph.MaxPending, cfg.Graph.MaxEdges = 100, 5, 4, 100
	f.Fuzz(func(t *testing.T, payload []byte) {
		s := newScan(cfg, newMeters())
		for i := range 3 {
			s.count(noon, []journal.Record{{Signal: journal.Traces, Time: noon.Add(time.Duration(i) * 6 * time.Second), Payload: payload}})
			recount(t, s.graph.pairs)
		}
		if n := s.red.size() + s.graph.size(); n > 200 {
			t.Errorf("%v series and edges", n)
		}
		sum := uint64(0)
		for _, series := range s.red.table.series {
			sum += series.count
		}
		if spans := testutil.ToFloat64(s.meters.spans); float64(sum) < spans || sum > uint64(spans)*maxWeight {
			t.Errorf("%v spans count as %d", spans, sum)
		}
		s.red.table.expiry, s.graph.edges.expiry = 0, 0
		reg := prometheus.NewPedanticRegistry()
		if err := s.register(reg); err != nil {
			t.Fatal(err)
		}
		if _, err := reg.Gather(); err != nil {
			t.Errorf("a scrape of it fails: %v", err)
		}
	})
}
