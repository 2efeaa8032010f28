package derive

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
)

// record has the spans of one service; without a name, of one that has none.
func record(t testing.TB, service string, spans ...*tracepb.Span) journal.Record {
	t.Helper()
	resource := &resourcepb.Resource{}
	if service != "" {
		value := &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: service}}
		resource.Attributes = []*commonpb.KeyValue{{Key: "service.name", Value: value}}
	}
	payload, err := proto.Marshal(&coltracepb.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource: resource, ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return journal.Record{Signal: journal.Traces, Items: uint32(len(spans)), Payload: payload}
}

// span took some milliseconds.
func span(name string, kind tracepb.Span_SpanKind, code tracepb.Status_StatusCode, ms uint64) *tracepb.Span {
	return &tracepb.Span{
		TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567"), Name: name, Kind: kind,
		StartTimeUnixNano: 1e18, EndTimeUnixNano: 1e18 + ms*1e6, Status: &tracepb.Status{Code: code},
	}
}

// testRED counts as the scan does.
type testRED struct {
	*red
	*scan
	meters *meters
}

func newTestRED(change func(*Config)) testRED {
	cfg := DefaultConfig()
	change(&cfg)
	s := newScan(cfg, newMeters())
	return testRED{s.red, s, s.meters}
}

// counts are the values of traces_span_metrics_calls_total by labels in short.
func counts(t *testing.T, r testRED, now time.Time) map[string]float64 {
	t.Helper()
	got := map[string]float64{}
	for _, m := range r.snapshot(now) {
		m := m.(*metric)
		if m.counter == nil {
			continue
		}
		var values []string
		for _, l := range m.labels {
			values = append(values, l.GetValue())
		}
		name := strings.Join(values, "|")
		if _, twice := got[name]; twice {
			t.Errorf("%s is there twice", name)
		}
		got[name] = m.counter.GetValue()
	}
	return got
}

func TestREDLabels(t *testing.T) {
	r, now := newTestRED(func(*Config) {}), time.Now()
	long := strings.Repeat("ä", 200)
	r.count(now, []journal.Record{
		record(t, "shop",
			span("POST /orders", tracepb.Span_SPAN_KIND_SERVER, tracepb.Status_STATUS_CODE_UNSET, 1),
			span("POST /orders", tracepb.Span_SPAN_KIND_SERVER, tracepb.Status_STATUS_CODE_UNSET, 1),
			span("POST /orders", tracepb.Span_SPAN_KIND_SERVER, tracepb.Status_STATUS_CODE_ERROR, 1),
			span("POST /orders", tracepb.Span_SPAN_KIND_CLIENT, tracepb.Status_STATUS_CODE_OK, 1),
			span("", tracepb.Span_SPAN_KIND_CONSUMER, tracepb.Status_STATUS_CODE_OK, 1),
			span("odd", 17, 9, 1), span("odd", -1, -1, 1)),
		record(t, "", span("x", tracepb.Span_SPAN_KIND_PRODUCER, 0, 1)),
		record(t, unknownService, span("x", tracepb.Span_SPAN_KIND_PRODUCER, 0, 1)),
		record(t, "shop", span(long, tracepb.Span_SPAN_KIND_INTERNAL, 0, 1), span(long+"!", tracepb.Span_SPAN_KIND_INTERNAL, 0, 1)),
		{Signal: journal.Logs, Payload: []byte("no spans")},
		{Signal: journal.Traces, Payload: []byte{10, 5}},
	})
	want := map[string]float64{
		"shop|SPAN_KIND_SERVER|POST /orders|STATUS_CODE_UNSET":                2,
		"shop|SPAN_KIND_SERVER|POST /orders|STATUS_CODE_ERROR":                1,
		"shop|SPAN_KIND_CLIENT|POST /orders|STATUS_CODE_OK":                   1,
		"shop|SPAN_KIND_CONSUMER||STATUS_CODE_OK":                             1,
		"shop|SPAN_KIND_UNSPECIFIED|odd|STATUS_CODE_UNSET":                    2,
		"unknown_service|SPAN_KIND_PRODUCER|x|STATUS_CODE_UNSET":              2,
		"shop|SPAN_KIND_INTERNAL|" + long[:maxLabel-1] + "|STATUS_CODE_UNSET": 2,
	}
	if diff := cmp.Diff(want, counts(t, r, now)); diff != "" {
		t.Error(diff)
	}
	if got := testutil.ToFloat64(r.meters.malformed); got != 1 {
		t.Errorf("%v malformed records, want 1", got)
	}
	if got := testutil.ToFloat64(r.meters.spans); got != 11 {
		t.Errorf("%v spans, want 11", got)
	}
}

func TestREDDurations(t *testing.T) {
	r := newTestRED(func(*Config) {})
	back := span("op", tracepb.Span_SPAN_KIND_SERVER, 0, 0)
	back.EndTimeUnixNano -= 1e9 // The clock was set back meanwhile.
	future := span("op", tracepb.Span_SPAN_KIND_SERVER, 0, 0)
	future.EndTimeUnixNano = 1<<64 - 1
	r.count(time.Now(), []journal.Record{record(t, "shop", span("op", tracepb.Span_SPAN_KIND_SERVER, 0, 250), back, future)})
	h := r.snapshot(time.Now())[1].(*metric).histogram
	if h.GetSampleCount() != 3 || h.GetBucket()[0].GetCumulativeCount() != 1 || h.GetBucket()[7].GetCumulativeCount() != 2 {
		t.Errorf("%v", h)
	}
	for _, e := range h.GetExemplars() {
		if at := e.GetTimestamp().AsTime(); at.After(time.Now()) {
			t.Errorf("an exemplar of %v is of the future", at)
		}
	}
}

// TestREDLimit has far more names than series.
func TestREDLimit(t *testing.T) {
	r, now := newTestRED(func(c *Config) { c.MaxSeries = 100 }), time.Now()
	total := 0
	for i := range 50 {
		var spans []*tracepb.Span
		for j := range 100 {
			n := i*100 + j
			spans = append(spans, span(fmt.Sprint("name-", n), tracepb.Span_SpanKind(n%7), tracepb.Status_StatusCode(n%4), 1))
			total++
		}
		r.count(now, []journal.Record{record(t, fmt.Sprint("service-", i%5), spans...)})
		if n := len(r.snapshot(now)); n > 2*100 {
			t.Fatalf("%d series", n/2)
		}
	}
	sum, over := 0.0, 0.0
	for name, n := range counts(t, r, now) {
		sum += n
		if strings.HasPrefix(name, overflow+"|") {
			over += n
		}
	}
	if sum != float64(total) || over != testutil.ToFloat64(r.meters.overflowed) || over < float64(total-100) {
		t.Errorf("%v spans in all, %v of them in overflow series; want %d, and %v", sum, over, total, testutil.ToFloat64(r.meters.overflowed))
	}
}

func TestREDExpiry(t *testing.T) {
	r, now := newTestRED(func(c *Config) { c.MaxSeries, c.ExpireAfter = 100, time.Minute }), time.Now()
	count := func(at time.Duration, names ...string) {
		for _, name := range names {
			r.count(now.Add(at), []journal.Record{record(t, "shop", span(name, tracepb.Span_SPAN_KIND_SERVER, 0, 1))})
		}
	}
	series := func(name string) string { return "shop|SPAN_KIND_SERVER|" + name + "|STATUS_CODE_UNSET" }
	count(0, "old", "kept")
	count(50*time.Second, "kept")
	if diff := cmp.Diff(map[string]float64{series("kept"): 2}, counts(t, r, now.Add(70*time.Second))); diff != "" {
		t.Error(diff)
	}
	count(80*time.Second, "old")
	if diff := cmp.Diff(map[string]float64{series("kept"): 2, series("old"): 1}, counts(t, r, now.Add(80*time.Second))); diff != "" {
		t.Error(diff)
	}
	if got := testutil.ToFloat64(r.meters.expired); got != 1 {
		t.Errorf("%v series expired, want 1", got)
	}

	// A full table makes room for itself, though nobody scrapes.
	for i := range 200 {
		count(2*time.Minute, fmt.Sprint("many-", i))
	}
	count(4*time.Minute, "new")
	got := counts(t, r, now.Add(4*time.Minute))
	if got[series("new")] != 1 {
		t.Errorf("after expiry: %v", got)
	}

	r = newTestRED(func(c *Config) { c.ExpireAfter = 0 })
	count(0, "eternal")
	if got := counts(t, r, now.Add(1e6*time.Hour)); len(got) != 1 {
		t.Errorf("without expiry: %v", got)
	}
}

// TestREDIsWellFormed has the registry check what is collected.
func TestREDIsWellFormed(t *testing.T) {
	r := newTestRED(func(*Config) {})
	for i := range 100 {
		r.count(time.Now(), []journal.Record{record(t, "shop", span(strconv.Itoa(i), tracepb.Span_SPAN_KIND_SERVER, 0, uint64(i)))})
	}
	reg, own := prometheus.NewPedanticRegistry(), prometheus.NewPedanticRegistry()
	if err := reg.Register(r.red); err != nil {
		t.Fatal(err)
	}
	if err := r.meters.register(own, r.scan); err != nil {
		t.Fatal(err)
	}
	for _, gatherer := range []prometheus.Gatherer{reg, own} {
		problems, err := testutil.GatherAndLint(gatherer)
		if err != nil || len(problems) > 0 {
			t.Errorf("%v, %v", problems, err)
		}
	}
	if n, err := testutil.GatherAndCount(reg); err != nil || n != 200 {
		t.Errorf("%d metrics, %v; want 200", n, err)
	}
}

func TestObserveAllocatesNothing(t *testing.T) {
	r, now := newTestRED(func(*Config) {}), time.Now()
	records := []journal.Record{record(t, "shop", span("POST /orders", tracepb.Span_SPAN_KIND_SERVER, 0, 30))}
	r.count(now, records)
	// The walker's views and the closure, once for all records of a batch.
	if got := testing.AllocsPerRun(100, func() { r.count(now, records) }); got > 5 {
		t.Errorf("%v allocations for a batch of one span", got)
	}
	many := make([]journal.Record, 100)
	for i := range many {
		many[i] = records[0]
	}
	perSpan := testing.AllocsPerRun(10, func() { r.count(now, many) }) / 100
	if perSpan > 3 {
		t.Errorf("%v allocations for each record", perSpan)
	}
}
