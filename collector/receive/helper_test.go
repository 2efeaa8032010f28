package receive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/collector/receive/unary"
)

// patience is how long a test waits for what must happen, on a busy machine.
const patience = 30 * time.Second

// testConfig listens on free ports.
func testConfig() Config {
	cfg := DefaultConfig().OTLPOnly()
	cfg.OTLP.GRPC.Address = "127.0.0.1:0"
	cfg.OTLP.HTTP.Address = "127.0.0.1:0"
	return cfg
}

// receivers runs until the test ends.
func receivers(t testing.TB, cfg Config, j journal.Journal) (*Receivers, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	r, err := Start(t.Context(), cfg, j, reg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return r, reg
}

// serveAlone has a server listen on a free port until the test ends.
func serveAlone(t testing.TB, in *intake, hs *http.Server) listener {
	t.Helper()
	return shutAfter(t, serve(anyPort(t), hs, in.logger))
}

// serveCallsAlone does so with OTLP's calls.
func serveCallsAlone(t testing.TB, in *intake, cfg unary.Config) listener {
	t.Helper()
	return shutAfter(t, serveCalls(anyPort(t), newOTLPGRPC(in), cfg, in.logger))
}

func anyPort(t testing.TB) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return limitConnections(l, maxConnections)
}

func shutAfter(t testing.TB, s listener) listener {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

// testIntake is an intake without listeners.
func testIntake(t testing.TB, cfg Config, j journal.Journal) *intake {
	t.Helper()
	in, err := newIntake(cfg, j, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// records is all that a journal holds.
func records(t testing.TB, j journal.Journal) []journal.Record {
	t.Helper()
	if j.Stats().Oldest == j.Stats().End {
		return nil
	}
	r, err := j.Reader("")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	found, err := r.Next(t.Context(), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// fixedJournal answers every Append with one error, and counts them.
type fixedJournal struct {
	journal.Journal

	err      error
	appended int
}

func (j *fixedJournal) Append(context.Context, journal.Signal, uint32, []byte) (journal.Offset, error) {
	j.appended++
	return 0, j.err
}

var errDisk = errors.New("input/output error on sector 7")

// fullJournal has a reader that holds back all that is in it.
func fullJournal(t testing.TB) journal.Journal {
	t.Helper()
	j := memory.New(memory.Config{MaxBytes: 4 << 10})
	r, err := j.Reader("slow")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	if _, err := j.Append(t.Context(), journal.Traces, 1, make([]byte, 4000)); err != nil {
		t.Fatal(err)
	}
	return j
}

func encode(t testing.TB, m proto.Message) []byte {
	t.Helper()
	raw, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func id(n, length int) []byte {
	raw := make([]byte, length)
	for i := range raw {
		raw[i] = byte(n>>(8*(i%4)) + i + 1)
	}
	return raw
}

func attribute(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

func service(name string) *resource.Resource {
	return &resource.Resource{Attributes: []*common.KeyValue{attribute("service.name", name)}}
}

// traceRequest has n spans as a shop's gateway would send them.
func traceRequest(n int) *coltrace.ExportTraceServiceRequest {
	spans := make([]*trace.Span, n)
	for i := range spans {
		spans[i] = &trace.Span{
			TraceId: id(i/10, 16), SpanId: id(i, 8), ParentSpanId: id(i+1, 8), Flags: 257,
			Name: "POST /api/v1/orders", Kind: trace.Span_SPAN_KIND_SERVER,
			StartTimeUnixNano: 1_790_000_000_000_000_000, EndTimeUnixNano: 1_790_000_000_031_000_000,
			Attributes: []*common.KeyValue{
				attribute("http.request.method", "POST"), attribute("http.route", "/api/v1/orders"),
				attribute("url.path", "/api/v1/orders"), attribute("order.id", fmt.Sprint("order-", i)),
			},
			Status: &trace.Status{},
		}
	}
	return &coltrace.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource:   service("gateway"),
		ScopeSpans: []*trace.ScopeSpans{{Scope: &common.InstrumentationScope{Name: "httpmw"}, Spans: spans}},
	}}}
}

func metricRequest() *colmetrics.ExportMetricsServiceRequest {
	return &colmetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metrics.ResourceMetrics{{
		Resource: service("gateway"),
		ScopeMetrics: []*metrics.ScopeMetrics{{Metrics: []*metrics.Metric{{
			Name: "orders", Data: &metrics.Metric_Sum{Sum: &metrics.Sum{DataPoints: []*metrics.NumberDataPoint{
				{Value: &metrics.NumberDataPoint_AsInt{AsInt: 4}},
				{Exemplars: []*metrics.Exemplar{{TraceId: id(1, 16), SpanId: id(2, 8)}}},
			}}},
		}}}},
	}}}
}

func logRequest() *collogs.ExportLogsServiceRequest {
	return &collogs.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{
		Resource: service("gateway"),
		ScopeLogs: []*logs.ScopeLogs{{LogRecords: []*logs.LogRecord{
			{TraceId: id(1, 16), SpanId: id(2, 8), SeverityText: "INFO"},
		}}},
	}}}
}
