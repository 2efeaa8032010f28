package derive

import (
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/golang/snappy"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal/memory"
)

// receiver takes what is written by remote write 2.0, by series.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	values map[string][]float64
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{values: map[string][]float64{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err == nil {
			body, err = snappy.Decode(nil, body)
		}
		var written writev2.Request
		if err == nil {
			err = proto.Unmarshal(body, &written)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		samples, histograms := r.take(&written)
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(samples))
		w.Header().Set("X-Prometheus-Remote-Write-Histograms-Written", strconv.Itoa(histograms))
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) take(written *writev2.Request) (samples, histograms int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ts := range written.GetTimeseries() {
		name := strings.Join(writev2.DesymbolizeLabels(ts.GetLabelsRefs(), written.GetSymbols(), nil), " ")
		for _, s := range ts.GetSamples() {
			r.values[name] = append(r.values[name], s.GetValue())
		}
		for _, h := range ts.GetHistograms() {
			r.values[name] = append(r.values[name], h.GetSum())
		}
		samples, histograms = samples+len(ts.GetSamples()), histograms+len(ts.GetHistograms())
	}
	return samples, histograms
}

// TestPushWithoutScrapes has nobody scrape. What was counted when the collector
// stops has been pushed, and then it ends.
func TestPushWithoutScrapes(t *testing.T) {
	r := newReceiver(t)
	j := memory.New(memory.Config{})
	cfg := DefaultConfig()
	cfg.Address, cfg.RemoteWrite.Endpoint, cfg.RemoteWrite.Labels = "off", r.URL, map[string]string{"instance": "here"}
	if !cfg.Enabled() {
		t.Fatal("nothing is derived")
	}
	d, err := Start(t.Context(), cfg, j, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if d.Addr() != nil {
		t.Errorf("it listens at %v", d.Addr())
	}
	for range 3 {
		add(t, j, "op")
	}
	waitCounted(t, j)
	shutdown(t, d)
	r.mu.Lock()
	defer r.mu.Unlock()
	const labels = " instance here job waybill-collector service_name shop span_kind SPAN_KIND_SERVER span_name op status_code STATUS_CODE_ERROR"
	for name, want := range map[string]float64{
		"__name__ traces_span_metrics_calls_total" + labels: 3, "__name__ traces_span_metrics_duration_seconds" + labels: 0.09,
	} {
		got := r.values[name]
		if n := len(got); n < 2 || math.Abs(got[n-2]-want) > 1e-9 || !math.IsNaN(got[n-1]) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestAPusherThatCannotStart leaves nothing open.
func TestAPusherThatCannotStart(t *testing.T) {
	j := memory.New(memory.Config{})
	cfg := DefaultConfig()
	cfg.Address, cfg.RemoteWrite.Endpoint, cfg.OTLP.Endpoint, cfg.OTLP.TLS.CAFile = "127.0.0.1:0", "http://127.0.0.1:1", "https://127.0.0.1:1", "/nowhere"
	if _, err := Start(t.Context(), cfg, j, prometheus.NewRegistry(), slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("it started")
	}
	add(t, j, "op")
	d := startDeriver(t, j)
	defer shutdown(t, d)
	waitCounted(t, j)
}
