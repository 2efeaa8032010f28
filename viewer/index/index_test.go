package index

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/viewer/graph"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func newIndex() *Index {
	return New(Limits{MaxTraces: 1000, MaxBytes: 64 << 20, MaxOpenSpans: 1000, MaxGraphCells: 1000})
}

func traceID(n int) (id TraceID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func spanID(n int) (id SpanID) {
	binary.BigEndian.PutUint64(id[:], uint64(n))
	return id
}

// span makes a span that starts at noon plus the trace's number in seconds.
func span(trace, id, parent int, service, operation string, kind Kind, took time.Duration) Span {
	start := uint64(noon.Add(time.Duration(trace) * time.Second).UnixNano())
	return Span{
		Trace: traceID(trace), ID: spanID(id), Parent: spanID(parent), Kind: kind,
		Start: start, End: start + uint64(took), Service: []byte(service), Operation: []byte(operation),
	}
}

func at(offset int) Origin {
	return Origin{Offset: journal.Offset(offset), Time: noon.Add(time.Hour)}
}

func TestTraceIsSummedUp(t *testing.T) {
	x := newIndex()
	failed := span(1, 12, 11, "order", "INSERT", Client, 5*time.Millisecond)
	failed.Failed = true
	x.AddSpan(at(7), failed)
	if got, _ := x.Trace(traceID(1)); got.Rooted || got.RootOperation != "INSERT" {
		t.Errorf("before its root has come, the earliest span stands in: got %+v", got)
	}
	x.AddSpan(at(7), span(1, 11, 10, "order", "Create", Server, 20*time.Millisecond))
	x.AddSpan(at(9), failed) // the exporter sent it twice
	x.AddLog(at(1000), traceID(1))
	x.AddSpan(at(100_000), span(1, 10, 0, "gateway", "POST /orders", Server, 30*time.Millisecond))
	got, ok := x.Trace(traceID(1))
	if !ok {
		t.Fatal("the trace is not there")
	}
	want := Summary{
		ID: traceID(1), Start: noon.Add(time.Second), End: noon.Add(time.Second + 30*time.Millisecond),
		RootService: "gateway", RootOperation: "POST /orders", Rooted: true, Spans: 3, Errors: 1,
		Services:    []ServiceCount{{"order", 2, 1}, {"gateway", 1, 0}},
		SpanRecords: []journal.Offset{7, 9, 100_000}, LogRecords: []journal.Offset{1000},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if stats := x.Stats(); stats.Duplicates != 1 || stats.Spans != 3 {
		t.Errorf("stats: %+v", stats)
	}
	if _, ok := x.Trace(traceID(2)); ok {
		t.Error("an unknown trace was found")
	}
}

func TestScanFilters(t *testing.T) {
	x := newIndex()
	for i := range 10 {
		root := span(i, 1, 0, "gateway", "GET /", Server, time.Duration(i+1)*10*time.Millisecond)
		root.Failed = i == 3
		x.AddSpan(at(i), root)
		if i%2 == 0 {
			x.AddSpan(at(i), span(i, 2, 1, "order", "Create", Server, 5*time.Millisecond))
		}
	}
	x.AddLog(at(100), traceID(50)) // logs alone are no trace
	f := func(name string, filter Filter, want ...int) {
		t.Helper()
		var got []int
		var c Cursor
		for done := false; !done; {
			var page []Summary
			page, c, done = x.Scan(filter, c, 2)
			for _, s := range page {
				got = append(got, int(binary.BigEndian.Uint64(s.ID[8:])))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	f("everything, newest first", Filter{}, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
	f("service", Filter{Service: "order"}, 8, 6, 4, 2, 0)
	f("unknown service", Filter{Service: "nobody"})
	f("operation", Filter{Operation: "Create"}, 8, 6, 4, 2, 0)
	f("operation of another service", Filter{Service: "gateway", Operation: "Create"})
	f("errors", Filter{Errors: true}, 3)
	f("errors of a service without any", Filter{Errors: true, Service: "order"})
	f("window", Filter{From: noon.Add(3 * time.Second), To: noon.Add(5 * time.Second)}, 5, 4, 3)
	f("duration of the trace", Filter{MinDuration: 40 * time.Millisecond, MaxDuration: 60 * time.Millisecond}, 5, 4, 3)
	f("longest span of a service", Filter{Service: "order", MinDuration: 6 * time.Millisecond})
}

func TestBoundsDropTheOldest(t *testing.T) {
	x := New(Limits{MaxTraces: 3, MaxBytes: 1 << 20, MaxOpenSpans: 4, MaxGraphCells: 10})
	for i := range 10 {
		x.AddSpan(at(i), span(i, 1, 0, fmt.Sprint("service-", i), "op", Server, 1))
	}
	if diff := cmp.Diff([]string{"service-7", "service-8", "service-9"}, x.Services()); diff != "" {
		t.Errorf("services of the traces held (-want +got):\n%s", diff)
	}
	if stats := x.Stats(); stats.Dropped != 7 || stats.Traces != 3 || stats.OpenSpans > 4 {
		t.Errorf("stats: %+v", stats)
	}
	x.Forget(9)
	if diff := cmp.Diff([]string{"service-9"}, x.Services()); diff != "" {
		t.Errorf("services after the journal let go (-want +got):\n%s", diff)
	}

	x = New(Limits{MaxTraces: 1000, MaxBytes: 4000, MaxOpenSpans: 10, MaxGraphCells: 10})
	for i := range 100 {
		x.AddSpan(at(i), span(i, 1, 0, "a", "op", Server, 1))
	}
	if stats := x.Stats(); stats.Traces < 5 || stats.Traces > 20 {
		t.Errorf("traces in 4000 bytes: %d", stats.Traces)
	}
}

func TestClocksAheadDoNotHoldTheTop(t *testing.T) {
	x := newIndex()
	ahead := span(1, 1, 0, "a", "op", Server, 1)
	ahead.Start, ahead.End = 1<<64-1, 1<<64-1
	x.AddSpan(at(1), ahead)
	later := Origin{Offset: 2, Time: noon.Add(3 * time.Hour)}
	now := span(2, 1, 0, "a", "op", Server, 1)
	now.Start = uint64(noon.Add(2 * time.Hour).UnixNano())
	x.AddSpan(later, now)
	if got, _, _ := x.Scan(Filter{}, Cursor{}, 1); got[0].ID != traceID(2) {
		t.Errorf("newest: got %v", got[0].ID)
	}
}

func TestGraphPairsWhateverTheOrder(t *testing.T) {
	gateway := span(1, 1, 0, "gateway", "POST", Server, 9)
	call := span(1, 2, 1, "gateway", "order.Create", Client, 8)
	call.Peer, call.PeerType = []byte("order:4317"), graph.External
	order := span(1, 3, 2, "order", "Create", Server, 7)
	insert := span(1, 4, 3, "order", "INSERT", Client, 5)
	insert.Peer, insert.PeerType = []byte("sqlite"), graph.Database
	publish := span(1, 5, 3, "order", "publish", Producer, 1)
	publish.Peer, publish.PeerType = []byte("nats"), graph.Queue
	lost := span(1, 6, 3, "order", "publish", Producer, 1)
	lost.Peer, lost.PeerType = []byte("nats"), graph.Queue
	consume := span(2, 7, 0, "notification", "process", Consumer, 3)
	consume.Links = []Link{{traceID(1), spanID(5)}}
	all := []Span{gateway, call, order, insert, publish, lost, consume}
	want := []graph.Key{
		{To: "gateway"},
		{To: "notification"},
		{To: "order"},
		{From: "gateway", To: "order", Type: graph.Call},
		{From: "order", To: "nats", Type: graph.Queue},
		{From: "order", To: "notification", Type: graph.Message},
		{From: "order", To: "sqlite", Type: graph.Database},
	}
	for turn := range all {
		x := newIndex()
		for i := range all {
			x.AddSpan(at(i), all[(i+turn)%len(all)])
		}
		x.Tick(noon.Add(time.Hour + loneAfter))
		edges, _ := x.Graph(noon, noon.Add(time.Hour))
		got := make([]graph.Key, 0, len(edges))
		for _, e := range edges {
			got = append(got, e.Key)
			if e.Calls != 1 {
				t.Errorf("turn %d: %v has %d calls", turn, e.Key, e.Calls)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("turn %d (-want +got):\n%s", turn, diff)
		}
		x.Tick(noon.Add(time.Hour + forgetAfter))
		if stats := x.Stats(); stats.OpenSpans != 0 {
			t.Errorf("turn %d: %d spans remembered of quiet traces", turn, stats.OpenSpans)
		}
	}
}

func TestOrphansAreCounted(t *testing.T) {
	x := newIndex()
	x.AddSpan(at(1), span(1, 2, 1, "order", "Create", Server, 1))
	x.Tick(noon.Add(time.Hour + loneAfter))
	x.Tick(noon.Add(time.Hour + forgetAfter))
	if stats := x.Stats(); stats.Unpaired != 1 || stats.OpenSpans != 0 {
		t.Errorf("stats: %+v", stats)
	}
}

func TestOperationsHaveKinds(t *testing.T) {
	x := newIndex()
	x.AddSpan(at(1), span(1, 1, 0, "order", "Create", Server, 1))
	x.AddSpan(at(1), span(1, 2, 1, "order", "Create", Client, 1))
	x.AddSpan(at(1), span(1, 3, 1, "payment", "Take", Server, 1))
	want := []Operation{{"order", "Create", Server}, {"order", "Create", Client}}
	if diff := cmp.Diff(want, x.Operations("order")); diff != "" {
		t.Errorf("operations of order (-want +got):\n%s", diff)
	}
	if got := x.Operations(""); len(got) != 3 {
		t.Errorf("operations of all: %v", got)
	}
	if got := x.Operations("nobody"); got == nil || len(got) != 0 {
		t.Errorf("operations of nobody: %v", got)
	}
}

func TestReadersAndWriterAtOnce(t *testing.T) {
	x := New(Limits{MaxTraces: 50, MaxBytes: 1 << 20, MaxOpenSpans: 100, MaxGraphCells: 50})
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for range 200 {
				found, c, _ := x.Scan(Filter{Service: "a"}, Cursor{}, 5)
				x.Scan(Filter{}, c, 5)
				for _, s := range found {
					x.Trace(s.ID)
				}
				x.Graph(noon, noon.Add(time.Hour))
				x.Operations("a")
			}
		})
	}
	for i := range 1000 {
		x.AddSpan(at(i), span(i, 1, 0, "a", fmt.Sprint("op ", i%9), Server, 1))
		x.Tick(noon.Add(time.Hour))
		if i%100 == 0 {
			x.Forget(journal.Offset(max(0, i-20)))
		}
	}
	running.Wait()
}

// TestTracesAreSmall holds the size that doc.go promises, and that the
// estimate which bounds the index is honest.
func TestTracesAreSmall(t *testing.T) {
	const traces, services, perService, ceiling = 5_000, 7, 4, 560
	x := New(Limits{MaxTraces: traces, MaxBytes: 1 << 30, MaxOpenSpans: 1000, MaxGraphCells: 100})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range traces {
		for s := range services * perService {
			x.AddSpan(at(i*50_000+s%services*6000), span(i, s+1, s, fmt.Sprint("service-", s%services), fmt.Sprint("op-", s/2), Server, 1))
		}
	}
	each := int64(heap()-before) / traces
	estimate := x.Stats().Bytes / traces
	t.Logf("%d bytes of heap per trace, %d by estimate", each, estimate)
	if each > ceiling {
		t.Errorf("a trace takes %d bytes, more than %d", each, ceiling)
	}
	if estimate < each*3/4 || estimate > each*3/2 {
		t.Errorf("the estimate is %d bytes, the heap %d", estimate, each)
	}
	runtime.KeepAlive(x)
}
