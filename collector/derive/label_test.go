package derive

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
)

// code is an attribute of any type.
func code(v *commonpb.AnyValue) option {
	return func(s *tracepb.Span) { s.Attributes = append(s.Attributes, &commonpb.KeyValue{Key: "code", Value: v}) }
}

// by sums up calls by the values of some labels.
func by(r testRED, names ...string) map[string]float64 {
	got := map[string]float64{}
	for _, m := range r.snapshot(time.Now()) {
		m := m.(*metric)
		if m.counter == nil {
			continue
		}
		var values []string
		for _, name := range names {
			at := slices.IndexFunc(m.labels, func(l *dto.LabelPair) bool { return l.GetName() == name })
			if at < 0 {
				values = append(values, "no "+name)
				continue
			}
			values = append(values, m.labels[at].GetValue())
		}
		got[strings.Join(values, "|")] += m.counter.GetValue()
	}
	return got
}

func TestDimensions(t *testing.T) {
	r := newTestRED(func(c *Config) { c.Dimensions = []string{"http.route", "code", "host.name"} })
	number := func(n int64) *commonpb.AnyValue {
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: n}}
	}
	list := &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{
		Values: []*commonpb.AnyValue{number(1), number(2)},
	}}}
	truth := &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}
	r.count(time.Now(), []journal.Record{
		onHost(t, "resource",
			make1(serverKind, attr("http.route", "/a"), code(number(200))),
			make1(serverKind, code(number(200)), attr("x", "http.route"), attr("http.route", "/a"), attr("http.route", "/b")),
			make1(serverKind, code(number(-1))),
			make1(serverKind, code(list)),
			make1(serverKind, code(truth), attr("host.name", "the span's")),
			make1(serverKind, attr("code", strings.Repeat("ä", 200))),
			make1(serverKind, code(nil)),
			// The same letters, but in other places.
			make1(serverKind, attr("http.route", "ab")), make1(serverKind, attr("http.route", "a"), attr("code", "b"))),
		record(t, "", make1(serverKind)),
	})
	want := map[string]float64{
		"/a|200|resource": 2, "|-1|resource": 1, "|[1,2]|resource": 1, "|true|the span's": 1, "|" + strings.Repeat("ä", 127) + "|resource": 1,
		"||resource": 1, "ab||resource": 1, "a|b|resource": 1, "||": 1,
	}
	if diff := cmp.Diff(want, by(r, "http_route", "code", "host_name")); diff != "" {
		t.Error(diff)
	}
}

func TestLabelName(t *testing.T) {
	for key, want := range map[string]string{
		"http.route": "http_route", "a-b/c": "a_b_c", "x": "x", "9lives": "key_9lives", "größe": "gr__e", "_": "_",
	} {
		if got := labelName(key); got != want {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
	}
}

// onHost is a record of spans whose resource has a host's name.
func onHost(t *testing.T, host string, spans ...*tracepb.Span) journal.Record {
	t.Helper()
	name := &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: host}}
	payload, err := proto.Marshal(&coltracepb.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   &resourcepb.Resource{Attributes: []*commonpb.KeyValue{{Key: "host.name", Value: name}}},
		ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return journal.Record{Signal: journal.Traces, Payload: payload}
}

func TestExclude(t *testing.T) {
	r := newTestRED(func(c *Config) {
		c.Exclude = []Rule{{Kind: "internal"}, {Service: "probe"}, {Service: "shop", SpanName: "GET /health*", Kind: "server"}, {SpanName: "x*y"}}
	})
	named := func(name string, kind tracepb.Span_SpanKind) *tracepb.Span { return span(name, kind, 0, 1) }
	r.count(time.Now(), []journal.Record{
		record(t, "shop", named("GET /healthz", serverKind), named("GET /health", serverKind), named("GET /health", clientKind),
			named("GET /heal", serverKind), named("a", tracepb.Span_SPAN_KIND_INTERNAL), named("xzy", serverKind)),
		record(t, "probe", named("a", serverKind), named("b", clientKind)),
		record(t, "probes", named("GET /health", serverKind)),
	})
	want := map[string]float64{
		"shop|GET /health|SPAN_KIND_CLIENT": 1, "shop|GET /heal|SPAN_KIND_SERVER": 1, "shop|xzy|SPAN_KIND_SERVER": 1,
		"probes|GET /health|SPAN_KIND_SERVER": 1,
	}
	if diff := cmp.Diff(want, by(r, "service_name", "span_name", "span_kind")); diff != "" {
		t.Error(diff)
	}
	if got := testutil.ToFloat64(r.meters.excluded); got != 5 {
		t.Errorf("%v spans are excluded, want 5", got)
	}
	if got := testutil.ToFloat64(r.meters.spans); got != 9 {
		t.Errorf("%v spans, want 9", got)
	}
}

// TestLimitByService has one service with endless names beside a decent one.
func TestLimitByService(t *testing.T) {
	r := newTestRED(func(c *Config) { c.MaxSeries, c.MaxSeriesPerService, c.ExpireAfter = 1000, 50, time.Minute })
	now := time.Now()
	for i := range 300 {
		r.count(now, []journal.Record{record(t, "endless", span(fmt.Sprint("GET /", i), serverKind, 0, 1))})
	}
	for i := range 40 {
		r.count(now, []journal.Record{record(t, "decent", span(fmt.Sprint("op-", i), serverKind, 0, 1))})
	}
	if diff := cmp.Diff(map[string]float64{"endless": 300, "decent": 40}, by(r, "service_name")); diff != "" {
		t.Error(diff)
	}
	names := by(r, "service_name", "span_name")
	if names["endless|"+overflow] != 250 || len(names) != 50+1+40 {
		t.Errorf("%d series, %v spans beyond the limit", len(names), names["endless|"+overflow])
	}
	// Expiry gives the room back, and what the table counts along is right.
	r.count(now.Add(2*time.Minute), []journal.Record{record(t, "endless", span("late", serverKind, 0, 1))})
	if len(r.table.series) != 1 || len(r.table.services) != 1 || r.table.services["endless"].size != 1 || len(r.table.services["endless"].rows) != 1 {
		t.Errorf("after expiry: %d series, %+v", len(r.table.series), r.table.services["endless"])
	}
}

func TestNamesThatAreNoUTF8(t *testing.T) {
	r := newTestRED(func(c *Config) { c.Dimensions = []string{"key"} })
	broken := record(t, "sh~p", span("n~me", serverKind, 0, 1), span("n~~me", serverKind, 0, 1), make1(clientKind, attr("key", "a~b"), attr("db.system", "d~")))
	broken.Payload = bytes.ReplaceAll(broken.Payload, []byte("~"), []byte("\xff"))
	r.count(time.Now(), []journal.Record{broken, broken})
	want := map[string]float64{"sh?p|n?me|": 4, "sh?p|op|a?b": 2} // A run of such bytes is one mark.
	if diff := cmp.Diff(want, by(r, "service_name", "span_name", "key")); diff != "" {
		t.Error(diff)
	}
	if e := r.graph.edges.edges[edgeKey{"sh?p", "d?", database}]; e == nil || e.requests != 2 {
		t.Errorf("edges: %v", drawn(r.scan))
	}
}
