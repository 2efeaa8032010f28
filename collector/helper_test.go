package collector

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal/file"
)

// testConfig listens on free ports of the loopback address.
func testConfig(dir string) Config {
	cfg := DefaultConfig()
	cfg.Receive = cfg.Receive.OTLPOnly()
	cfg.Receive.OTLP.GRPC.Address = "127.0.0.1:0"
	cfg.Receive.OTLP.HTTP.Address = "127.0.0.1:0"
	cfg.Journal.Dir = dir
	cfg.Journal.Sync = file.SyncNever
	cfg.Derive.Address = "127.0.0.1:0"
	cfg.Admin.Address = "127.0.0.1:0"
	return cfg
}

// run starts a collector that ends with the test.
func run(t *testing.T, cfg Config) *Collector {
	t.Helper()
	c, err := Start(t.Context(), cfg, slog.New(slog.NewTextHandler(testLog{t}, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := c.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return c
}

// testLog shows the collector's log with the test's.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func resource(service string) *resourcepb.Resource {
	value := &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: service}}
	return &resourcepb.Resource{Attributes: []*commonpb.KeyValue{{Key: "service.name", Value: value}}}
}

// traceID and spanID are those of span n.
func traceID(n int) []byte { return binary.BigEndian.AppendUint64([]byte("waybill:"), uint64(n)) }
func spanID(n int) []byte  { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// spanRequest has one server span of the shop, the n-th, which took 30 ms.
func spanRequest(n int, name string, code tracepb.Status_StatusCode) *coltracepb.ExportTraceServiceRequest {
	began := uint64(time.Now().UnixNano())
	return &coltracepb.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource: resource("shop"),
		ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{{
			TraceId: traceID(n), SpanId: spanID(n), Name: name, Kind: tracepb.Span_SPAN_KIND_SERVER,
			StartTimeUnixNano: began, EndTimeUnixNano: began + 30e6, Status: &tracepb.Status{Code: code},
		}}}},
	}}}
}

func metricRequest(name string) *colmetricspb.ExportMetricsServiceRequest {
	point := &metricspb.NumberDataPoint{Value: &metricspb.NumberDataPoint_AsInt{AsInt: 1}}
	gauge := &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: []*metricspb.NumberDataPoint{point}}}
	return &colmetricspb.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{{
		Resource:     resource("shop"),
		ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: []*metricspb.Metric{{Name: name, Data: gauge}}}},
	}}}
}

func logRequest(text string) *collogspb.ExportLogsServiceRequest {
	body := &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: text}}
	return &collogspb.ExportLogsServiceRequest{ResourceLogs: []*logspb.ResourceLogs{{
		Resource:  resource("shop"),
		ScopeLogs: []*logspb.ScopeLogs{{LogRecords: []*logspb.LogRecord{{Body: body}}}},
	}}}
}

// post sends a request over OTLP/HTTP and returns the status.
func post(ctx context.Context, addr fmt.Stringer, signal string, request proto.Message) (int, error) {
	data, err := proto.Marshal(request)
	if err != nil {
		return 0, err
	}
	return postBytes(ctx, "http://"+addr.String()+"/v1/"+signal, data)
}

func postBytes(ctx context.Context, url string, data []byte) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(data))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode == http.StatusOK && len(body) > 0 {
		err = fmt.Errorf("partial success: %q", body)
	}
	return response.StatusCode, err
}

// mustPost sends a request that has to be acknowledged.
func mustPost(t *testing.T, c *Collector, signal string, request proto.Message) {
	t.Helper()
	if status, err := post(t.Context(), c.OTLPHTTP(), signal, request); err != nil || status != http.StatusOK {
		t.Fatalf("post %s: %d, %v", signal, status, err)
	}
}

// get returns status and body.
func get(t *testing.T, url string, header ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// eventually polls for half a minute.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// nopLogger says nothing.
func nopLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }
