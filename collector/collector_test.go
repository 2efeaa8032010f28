package collector

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/waybill-dev/waybill/collector/export"
	"github.com/waybill-dev/waybill/collector/export/exporttest"
)

// TestEndToEnd sends all signals over both transports, and finds them at the
// backends, and the spans in the derived metrics.
func TestEndToEnd(t *testing.T) {
	traces, others := exporttest.New(t), exporttest.New(t)
	cfg := testConfig(t.TempDir())
	cfg.Export.Traces[0].Endpoint = traces.URL()
	cfg.Export.Metrics[0].Endpoint = others.URL() + "/api/v1/otlp"
	cfg.Export.Logs[0].Endpoint = others.URL()
	c := run(t, cfg)

	mustPost(t, c, "traces", spanRequest(1, "POST /orders", tracepb.Status_STATUS_CODE_UNSET))
	mustPost(t, c, "logs", logRequest("over http"))
	mustPost(t, c, "metrics", metricRequest("over.http"))
	conn := dial(t, c)
	ctx := t.Context()
	_, errTraces := coltracepb.NewTraceServiceClient(conn).Export(ctx, spanRequest(2, "POST /orders", tracepb.Status_STATUS_CODE_ERROR))
	_, errLogs := collogspb.NewLogsServiceClient(conn).Export(ctx, logRequest("over grpc"))
	_, errMetrics := colmetricspb.NewMetricsServiceClient(conn).Export(ctx, metricRequest("over.grpc"))
	for _, err := range []error{errTraces, errLogs, errMetrics} {
		if err != nil {
			t.Fatalf("over gRPC: %v", err)
		}
	}

	traces.Wait(t, "two spans", func() bool { return len(traces.Spans(t)) == 2 })
	if got := traces.Spans(t); string(got[0].GetTraceId()) != string(traceID(1)) || got[1].GetStatus().GetCode() != tracepb.Status_STATUS_CODE_ERROR {
		t.Errorf("the backend has %v", got)
	}
	others.Wait(t, "logs and metrics", func() bool { return len(others.LogBodies(t)) == 2 && len(others.Taken("/api/v1/otlp/v1/metrics")) > 0 })
	if diff := cmp.Diff([]string{"over http", "over grpc"}, others.LogBodies(t)); diff != "" {
		t.Error(diff)
	}
	eventually(t, "derived metrics", func() bool {
		_, text := get(t, "http://"+c.Scrape().String()+"/metrics", "Accept", "application/openmetrics-text; version=1.0.0")
		return strings.Contains(text, `traces_span_metrics_calls_total{service_name="shop",span_kind="SPAN_KIND_SERVER",span_name="POST /orders",status_code="STATUS_CODE_UNSET"} 1.0`) &&
			strings.Contains(text, `status_code="STATUS_CODE_ERROR",le="0.05"} 1 # {span_id="0000000000000002",trace_id="77617962696c6c3a0000000000000002"} 0.03`)
	})
	if status, body := get(t, "http://"+c.Admin().String()+"/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d %s", status, body)
	}
}

func dial(t *testing.T, c *Collector) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(c.OTLPGRPC().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestBackendDownForAWhile has one backend down while the other one works, and
// a restart in between.
func TestBackendDownForAWhile(t *testing.T) {
	traces, logs := exporttest.New(t), exporttest.New(t)
	traces.Down()
	cfg := testConfig(t.TempDir())
	cfg.Export.Traces[0].Endpoint = traces.URL()
	cfg.Export.Logs[0].Endpoint = logs.URL()
	var want []string
	send := func(c *Collector, n int) {
		want = append(want, string(spanID(n)))
		mustPost(t, c, "traces", spanRequest(n, "op", tracepb.Status_STATUS_CODE_OK))
		mustPost(t, c, "logs", logRequest(strconv.Itoa(n)))
	}
	first, err := Start(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		send(first, 1+n)
	}
	logs.Wait(t, "logs while traces are down", func() bool { return len(logs.LogBodies(t)) == 20 })
	if err := first.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}

	second := run(t, cfg)
	send(second, 21)
	traces.Up()
	traces.Wait(t, "all spans", func() bool { return len(traces.Spans(t)) >= 21 })
	var got []string
	for _, span := range traces.Spans(t) {
		got = append(got, string(span.GetSpanId()))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestGarbageAtEveryPort goes on after what peers should not send.
func TestGarbageAtEveryPort(t *testing.T) {
	traces := exporttest.New(t)
	cfg := testConfig(t.TempDir())
	cfg.Export.Traces[0].Endpoint = traces.URL()
	c := run(t, cfg)
	random := rand.NewChaCha8([32]byte{1})
	for _, addr := range []net.Addr{c.OTLPGRPC(), c.OTLPHTTP(), c.Scrape(), c.Admin()} {
		for _, data := range [][]byte{
			make([]byte, 4096),
			[]byte("GET / HTTP/9.9\r\n\r\n"),
			[]byte("POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"),
			[]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
			[]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
		} {
			throw(t, addr, data)
		}
		noise := make([]byte, 64<<10)
		_, _ = random.Read(noise) // Never fails.
		throw(t, addr, noise)
	}
	url := "http://" + c.OTLPHTTP().String()
	for path, want := range map[string]int{"/v1/traces": 400, "/v1/logs": 400, "/v1/metrics": 400, "/v1/profiles": 404, "/": 404} {
		if status, err := postBytes(t.Context(), url+path, []byte("\xff\xff garbage")); err != nil || status != want {
			t.Errorf("garbage at %s: %d, %v; want %d", path, status, err, want)
		}
	}
	mustPost(t, c, "traces", spanRequest(1, "after", tracepb.Status_STATUS_CODE_OK))
	traces.Wait(t, "the span", func() bool { return len(traces.Spans(t)) == 1 })
	for _, path := range []string{"/livez", "/readyz", "/healthz", "/metrics", "/"} {
		if status, body := get(t, "http://"+c.Admin().String()+path); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// throw sends bytes and hangs up; what the peer answers does not matter here.
func throw(t *testing.T, addr net.Addr, data []byte) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr.String())
	if err != nil {
		t.Fatalf("%v takes no connections any more: %v", addr, err)
	}
	_, _ = conn.Write(data)
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	_, _ = conn.Read(make([]byte, 1024))
	_ = conn.Close()
}

// TestFullJournal refuses with an error that senders understand, says that it
// is not ready, and takes requests again when there is room.
func TestFullJournal(t *testing.T) {
	traces := exporttest.New(t)
	traces.Down()
	cfg := testConfig(t.TempDir())
	cfg.Export.Traces[0].Endpoint = traces.URL()
	cfg.Journal.MaxBytes = 64 << 10
	c := run(t, cfg)
	acked := 0
	for n := 1; ; n++ {
		status, err := post(t.Context(), c.OTLPHTTP(), "traces", spanRequest(n, strings.Repeat("x", 1000), tracepb.Status_STATUS_CODE_OK))
		if err != nil {
			t.Fatal(err)
		}
		if status != http.StatusOK {
			if status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests {
				t.Errorf("a full journal answers %d", status)
			}
			break
		}
		acked++
		if acked > 100 {
			t.Fatal("64 KiB took more than 100 KB")
		}
	}
	if status, body := get(t, "http://"+c.Admin().String()+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "the journal is full") {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if status, body := get(t, "http://"+c.Admin().String()+"/livez"); status != http.StatusOK {
		t.Errorf("/livez: %d %s", status, body)
	}
	traces.Up()
	eventually(t, "room", func() bool {
		status, err := post(t.Context(), c.OTLPHTTP(), "traces", spanRequest(1_000_000, "again", tracepb.Status_STATUS_CODE_OK))
		return err == nil && status == http.StatusOK
	})
	traces.Wait(t, "all that was acknowledged", func() bool { return len(traces.Spans(t)) == acked+1 })
}

// TestUnusedReaderHoldsNothingBack turns forwarding off between two starts, for
// one destination by its endpoint, and for the other by leaving it out.
func TestUnusedReaderHoldsNothingBack(t *testing.T) {
	cfg := testConfig(t.TempDir())
	another := export.DefaultDestination()
	another.Name = "another"
	cfg.Export.Traces = append(cfg.Export.Traces, another)
	cfg.Export.Traces[0].Endpoint, cfg.Export.Traces[1].Endpoint = "http://127.0.0.1:1", "http://127.0.0.1:1"
	var log bytes.Buffer
	ctx, logger := t.Context(), slog.New(slog.DiscardHandler)
	first, err := Start(ctx, cfg, logger)
	if err != nil {
		t.Fatal(err)
	}
	mustPost(t, first, "traces", spanRequest(1, "op", tracepb.Status_STATUS_CODE_OK))
	if err := first.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	cfg.Export.Traces = cfg.Export.Traces[:1]
	cfg.Export.Traces[0].Endpoint = ""
	second, err := Start(ctx, cfg, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	cursors := second.Journal().Stats().Cursors
	if err := second.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if len(cursors) != 1 {
		t.Errorf("cursors %v; want that of derive alone", cursors)
	}
	for _, reader := range []string{"export-traces", "export-traces-another"} {
		if want := "reader=" + reader + " unread_bytes="; strings.Count(log.String(), want) != 1 {
			t.Errorf("no warning with %q:\n%s", want, &log)
		}
	}
}

func TestEverythingOff(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Receive.OTLP.GRPC.Address, cfg.Receive.OTLP.HTTP.Address = "off", "off"
	cfg.Derive.Address, cfg.Admin.Address = "off", "off"
	c := run(t, cfg)
	for i, addr := range []net.Addr{c.OTLPGRPC(), c.OTLPHTTP(), c.Scrape(), c.Admin()} {
		if addr != nil {
			t.Errorf("listener %d is at %v", i, addr)
		}
	}
}

// TestFailedStartLeavesNothing has a port that is taken, for each listener.
func TestFailedStartLeavesNothing(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	dir := t.TempDir()
	for i, address := range []func(*Config) *string{
		func(c *Config) *string { return &c.Receive.OTLP.GRPC.Address },
		func(c *Config) *string { return &c.Receive.OTLP.HTTP.Address },
		func(c *Config) *string { return &c.Derive.Address },
		func(c *Config) *string { return &c.Admin.Address },
	} {
		cfg := testConfig(dir)
		*address(&cfg) = taken.Addr().String()
		if _, err := Start(t.Context(), cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "address already in use") {
			t.Errorf("listener %d: Start = %v", i, err)
		}
	}
	run(t, testConfig(dir)) // Nobody holds the journal, or a reader of it.
}

// TestShutdownDoesNotWaitForTheIdle has connections such as browsers keep ready,
// on which nothing was said.
func TestShutdownDoesNotWaitForTheIdle(t *testing.T) {
	c, err := Start(t.Context(), testConfig(t.TempDir()), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []net.Addr{c.OTLPGRPC(), c.OTLPHTTP(), c.Scrape(), c.Admin()} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
	}
	began := time.Now()
	if err := c.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("Shutdown took %v", took)
	}
}

func TestShutdownWithoutTime(t *testing.T) {
	traces := exporttest.New(t)
	cfg := testConfig(t.TempDir())
	cfg.Export.Traces[0].Endpoint = traces.URL()
	c, err := Start(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	mustPost(t, c, "traces", spanRequest(1, "op", tracepb.Status_STATUS_CODE_OK))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = c.Shutdown(ctx) // It may say that it was cut off.
	if _, err := c.Journal().Append(t.Context(), 1, 1, nil); err == nil {
		t.Error("the journal is open after Shutdown")
	}
	http.DefaultClient.CloseIdleConnections()
	again := run(t, cfg)
	traces.Wait(t, "the span", func() bool {
		return slices.ContainsFunc(traces.Spans(t), func(s *tracepb.Span) bool { return s.GetName() == "op" })
	})
	_ = again
}
