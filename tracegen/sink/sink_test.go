package sink

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

func start(t *testing.T, cfg Config) *Sink {
	t.Helper()
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

func request(t *testing.T) []byte {
	t.Helper()
	encoded, err := proto.Marshal(&collector.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{
		ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{
			{TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567"), Name: "root"},
			{TraceId: []byte("0123456789abcdef"), SpanId: []byte("12345678"), ParentSpanId: []byte("01234567"), Name: "child"},
		}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func call(t *testing.T, method, url string, body io.Reader, header map[string]string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range header {
		req.Header.Set(key, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(read)
}

func TestHTTP(t *testing.T) {
	s := start(t, Config{GRPC: "off", HTTP: "127.0.0.1:0"})
	if s.GRPC() != nil {
		t.Errorf("gRPC is at %v", s.GRPC())
	}
	base, protobuf := "http://"+s.HTTP().String(), map[string]string{"Content-Type": "application/x-protobuf"}
	zipped := map[string]string{"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
	var squeezed bytes.Buffer
	w := gzip.NewWriter(&squeezed)
	_, _ = w.Write(request(t))
	_ = w.Close()
	for _, test := range []struct {
		name, body string
		header     map[string]string
		want       int
	}{
		{"protobuf", string(request(t)), protobuf, 200},
		{"gzip", squeezed.String(), zipped, 200},
		{"nothing", "", protobuf, 200},
		{"no gzip", "x", zipped, 400},
		{"truncated", string(request(t)[:40]), protobuf, 400},
		{"JSON", "{}", map[string]string{"Content-Type": "application/json"}, 415},
		{"zstd", "x", map[string]string{"Content-Type": "application/x-protobuf", "Content-Encoding": "zstd"}, 400},
	} {
		if got, text := call(t, http.MethodPost, base+"/v1/traces", strings.NewReader(test.body), test.header); got != test.want {
			t.Errorf("%s: %d %s, want %d", test.name, got, text, test.want)
		}
	}
	// Both spans came twice.
	want := Counts{Requests: 3, Bytes: uint64(2 * len(request(t))), Spans: 4, Duplicates: 2, Traces: 1}
	if got := s.Counts(); got != want {
		t.Errorf("counts = %+v, want %+v", got, want)
	}
	for path, want := range map[string]string{
		"/api/traces/30313233343536373839616263646566": `"operationName":"child","references":[{"refType":"CHILD_OF"`,
		"/api/traces/00000000000000000000000000000001": "trace not found",
		"/api/traces/nonsense":                         "want a trace id",
		"/counts":                                      `"duplicates":2`,
	} {
		if _, text := call(t, http.MethodGet, base+path, nil, nil); !strings.Contains(text, want) {
			t.Errorf("%s: %s, want %s", path, text, want)
		}
	}
}

func TestASinkThatForgetsCountsOnly(t *testing.T) {
	s := newStore(Config{Forget: true, Drop: 1})
	if err := s.take(request(t)); err != nil {
		t.Fatal(err)
	}
	if got := s.counted(); got.Spans != 2 || got.Dropped != 2 || got.Traces != 0 {
		t.Errorf("counts = %+v", got)
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	for want, cfg := range map[string]Config{
		"drop":          {GRPC: "off", HTTP: "127.0.0.1:0", Drop: 1.5},
		"nowhere":       {GRPC: "off", HTTP: "off"},
		"listen at bad": {GRPC: "off", HTTP: "bad"},
	} {
		if _, err := Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error = %v", want, err)
		}
	}
}

// Log records and points are counted, whatever kind of metric they are of.
func TestOthersAreCounted(t *testing.T) {
	s := start(t, Config{GRPC: "off", HTTP: "127.0.0.1:0"})
	number := []*metricspb.NumberDataPoint{{}, {}}
	metrics, err := proto.Marshal(&colmetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{{
		ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: []*metricspb.Metric{
			{Name: "a", Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: number}}},
			{Name: "b", Data: &metricspb.Metric_Sum{Sum: &metricspb.Sum{DataPoints: number}}},
			{Name: "c", Data: &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{DataPoints: []*metricspb.HistogramDataPoint{{Count: 3}}}}},
		}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	logs, err := proto.Marshal(&collogs.ExportLogsServiceRequest{ResourceLogs: []*logspb.ResourceLogs{{
		ScopeLogs: []*logspb.ScopeLogs{{LogRecords: []*logspb.LogRecord{{SeverityText: "INFO"}, {}}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	base, protobuf := "http://"+s.HTTP().String(), map[string]string{"Content-Type": "application/x-protobuf"}
	for _, test := range []struct {
		path, body string
		want       int
	}{{"/v1/metrics", string(metrics), 200}, {"/v1/logs", string(logs), 200}, {"/v1/logs", "\x0a\xff", 400}, {"/v1/metrics", "\x0a\xff", 400}} {
		if got, text := call(t, http.MethodPost, base+test.path, strings.NewReader(test.body), protobuf); got != test.want {
			t.Errorf("%s: %d %s, want %d", test.path, got, text, test.want)
		}
	}
	if got, want := s.Counts(), (Counts{Logs: 2, Points: 5}); got != want {
		t.Errorf("counts = %+v, want %+v", got, want)
	}
}

func FuzzTake(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0x0a, 0x02, 0x12, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newStore(Config{})
		if err := s.take(data); err != nil && s.counted() != (Counts{}) {
			t.Error("a malformed request is counted")
		}
	})
}
