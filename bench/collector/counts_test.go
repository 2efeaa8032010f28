package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// TestExpected counts what was acknowledged, and nothing else.
func TestExpected(t *testing.T) {
	w, err := newWork(t.Context(), 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	l := &ledger{}
	for n := range uint64(5) {
		if l.claim(); n != 2 {
			l.acknowledge(n)
		}
	}
	calls, edges, err := l.expected(w)
	if err != nil {
		t.Fatal(err)
	}
	spans := uint64(0)
	for _, n := range calls {
		spans += n
	}
	if spans != 4*spansPerRequest || len(edges) == 0 || len(calls) < 10 {
		t.Errorf("%d spans in %d series, %d edges", spans, len(calls), len(edges))
	}
}

func TestDiffer(t *testing.T) {
	a, b := counts{{"a"}: 3, {"b"}: 5, {"c"}: 1}, counts{{"a"}: 3, {"b"}: 4, {"d"}: 2}
	if in, by := a.differ(b); in != 3 || by != 4 {
		t.Errorf("%d series, %d spans", in, by)
	}
	if diff := cmp.Diff(counts{{"a"}: 3, {"b"}: 5}, a.of(b)); diff != "" {
		t.Error(diff)
	}
}

// TestReadingCounts: both subjects' forms come to the same.
func TestReadingCounts(t *testing.T) {
	const page = `# TYPE traces_span_metrics_calls_total counter
traces_span_metrics_calls_total{service_name="shop",span_name="GET /",span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_UNSET"} 7
# TYPE traces_service_graph_request_total counter
traces_service_graph_request_total{client="web",server="shop",connection_type=""} 3
traces_service_graph_request_total{client="web",server="db",connection_type="database"} 9
`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = w.Write([]byte(page))
	}))
	defer server.Close()
	calls, edges, err := scrape(t.Context(), strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	want := counts{{"shop", "GET /", "SPAN_KIND_SERVER", "STATUS_CODE_UNSET"}: 7}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(counts{{"web", "shop"}: 3}, edges); diff != "" {
		t.Error(diff)
	}
	attribute := func(key, value string) *commonpb.KeyValue {
		return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
	}
	of := func(n int64) *metricspb.ResourceMetrics {
		return &metricspb.ResourceMetrics{ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: []*metricspb.Metric{{
			Name: "traces.span.metrics.calls",
			Data: &metricspb.Metric_Sum{Sum: &metricspb.Sum{DataPoints: []*metricspb.NumberDataPoint{{
				Attributes: []*commonpb.KeyValue{
					attribute("service.name", "shop"), attribute("span.name", "GET /"),
					attribute("span.kind", "SPAN_KIND_SERVER"), attribute("status.code", "STATUS_CODE_UNSET"),
				},
				Value: &metricspb.NumberDataPoint_AsInt{AsInt: n},
			}}}},
		}}}}}
	}
	request := func(instances ...int64) []byte {
		var all []*metricspb.ResourceMetrics
		for _, n := range instances {
			all = append(all, of(n))
		}
		body, err := proto.Marshal(&colmetricspb.ExportMetricsServiceRequest{ResourceMetrics: all})
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	var e exported
	for _, instances := range [][]int64{{1, 1}, {3, 4}} {
		if err := e.take(request(instances...)); err != nil {
			t.Fatal(err)
		}
	}
	calls, _, err = e.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Error(diff)
	}
}
