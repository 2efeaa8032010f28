package derive

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
)

func startDeriver(t *testing.T, j journal.Journal) *Deriver {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Address = "127.0.0.1:0"
	d, err := Start(t.Context(), cfg, j, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func shutdown(t *testing.T, d *Deriver) {
	t.Helper()
	http.DefaultClient.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := d.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// scrape asks for a format and returns the answer and its type.
func scrape(t *testing.T, d *Deriver, accept string) (string, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.Addr().String()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("scrape: %s, %v", response.Status, err)
	}
	return string(body), response.Header
}

func add(t *testing.T, j journal.Journal, name string) {
	t.Helper()
	r := record(t, "shop", span(name, tracepb.Span_SPAN_KIND_SERVER, tracepb.Status_STATUS_CODE_ERROR, 30))
	if _, err := j.Append(t.Context(), r.Signal, r.Items, r.Payload); err != nil {
		t.Fatal(err)
	}
}

// waitCounted waits until the cursor is at the end.
func waitCounted(t *testing.T, j journal.Journal) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if stats := j.Stats(); stats.Cursors[ReaderName] == stats.End {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not counted: %+v", j.Stats())
		}
	}
}

const text = "application/openmetrics-text; version=1.0.0"

func TestScrape(t *testing.T) {
	j := memory.New(memory.Config{})
	d := startDeriver(t, j)
	defer shutdown(t, d)
	add(t, j, `GET "/\`)
	if _, err := j.Append(t.Context(), journal.Logs, 1, []byte("no spans")); err != nil {
		t.Fatal(err)
	}
	waitCounted(t, j)

	body, _ := scrape(t, d, text)
	labels := `{service_name="shop",span_kind="SPAN_KIND_SERVER",span_name="GET \"/\\",status_code="STATUS_CODE_ERROR"`
	exemplar := ` # {span_id="3031323334353637",trace_id="30313233343536373839616263646566"} 0.03 1.00000000003e+09`
	for _, want := range []string{
		"# TYPE traces_span_metrics_calls counter\n",
		"traces_span_metrics_calls_total" + labels + "} 1.0" + exemplar + "\n",
		"traces_span_metrics_duration_seconds_bucket" + labels + `,le="0.025"} 0` + "\n",
		"traces_span_metrics_duration_seconds_bucket" + labels + `,le="0.05"} 1` + exemplar + "\n",
		"traces_span_metrics_duration_seconds_bucket" + labels + `,le="+Inf"} 1` + "\n",
		"traces_span_metrics_duration_seconds_sum" + labels + "} 0.03\n",
		"# EOF\n",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
}

func TestScrapeHasNativeHistograms(t *testing.T) {
	j := memory.New(memory.Config{})
	d := startDeriver(t, j)
	defer shutdown(t, d)
	add(t, j, "op")
	waitCounted(t, j)
	body, header := scrape(t, d, "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	decoder := expfmt.NewDecoder(strings.NewReader(body), expfmt.ResponseFormat(header))
	for {
		var family dto.MetricFamily
		if err := decoder.Decode(&family); err != nil {
			t.Fatalf("no native histogram: %v", err)
		}
		if family.GetName() != "traces_span_metrics_duration_seconds" {
			continue
		}
		h := family.GetMetric()[0].GetHistogram()
		if h.GetSchema() != schema || len(h.GetPositiveSpan()) != 1 || len(h.GetExemplars()) != 1 || len(h.GetBucket()) == 0 {
			t.Errorf("%v", h)
		}
		return
	}
}

// TestRestartGoesOnFromTheCursor counts what was not counted, from zero.
func TestRestartGoesOnFromTheCursor(t *testing.T) {
	j := memory.New(memory.Config{})
	first := startDeriver(t, j)
	add(t, j, "before")
	waitCounted(t, j)
	shutdown(t, first)
	add(t, j, "meanwhile")
	second := startDeriver(t, j)
	defer shutdown(t, second)
	waitCounted(t, j)
	body, _ := scrape(t, second, text)
	if strings.Contains(body, "before") || !strings.Contains(body, `span_name="meanwhile",status_code="STATUS_CODE_ERROR"} 1.0`) {
		t.Errorf("after a restart:\n%s", body)
	}
}

// TestGraphIsScraped has the two spans of a request come, and one whose other
// end never comes, though nothing else does either.
func TestGraphIsScraped(t *testing.T) {
	j := memory.New(memory.Config{})
	cfg := DefaultConfig()
	cfg.Address, cfg.Graph.Wait = "127.0.0.1:0", 10*time.Millisecond
	own := prometheus.NewRegistry()
	d, err := Start(t.Context(), cfg, j, own, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer shutdown(t, d)
	r := record(t, "shop", make1(clientKind, at(1, 0)), make1(serverKind, at(2, 1)), make1(clientKind, at(3, 0), attr("server.address", "api.bank")))
	if _, err := j.Append(t.Context(), r.Signal, r.Items, r.Payload); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		body, _ := scrape(t, d, text)
		edges := 0
		for _, labels := range []string{`client="shop",connection_type="",server="shop"`, `client="shop",connection_type="virtual_node",server="api.bank"`} {
			edges += strings.Count(body, "traces_service_graph_request_total{"+labels+"} 1.0\n")
		}
		if edges == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of two edges:\n%s", edges, body)
		}
	}
}

func TestStartFails(t *testing.T) {
	j := memory.New(memory.Config{})
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	logger := slog.New(slog.DiscardHandler)
	bad, used := DefaultConfig(), DefaultConfig()
	bad.MaxSeries, used.Address = 0, taken.Addr().String()
	for _, cfg := range []Config{bad, used} {
		if _, err := Start(t.Context(), cfg, j, prometheus.NewRegistry(), logger); err == nil {
			t.Errorf("Start(%+v) succeeded", cfg)
		}
	}
	d := startDeriver(t, j)
	defer shutdown(t, d)
	second := DefaultConfig()
	second.Address = "127.0.0.1:0"
	if _, err := Start(t.Context(), second, j, prometheus.NewRegistry(), logger); err == nil {
		t.Error("two read by one name")
	}
}
