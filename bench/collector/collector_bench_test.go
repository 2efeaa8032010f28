package collector

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/waybill-dev/waybill/collector/wire"
	"github.com/waybill-dev/waybill/tracegen"
)

// sink is a backend that counts spans and forgets them.
type sink struct {
	*httptest.Server
	spans atomic.Uint64
}

func newSink(b *testing.B) *sink {
	b.Helper()
	s := &sink{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			unzipped, err := gzip.NewReader(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			content = unzipped
		}
		body, err := io.ReadAll(content)
		if err != nil {
			return
		}
		n, err := wire.CountSpans(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.spans.Add(uint64(n))
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	b.Cleanup(s.Close)
	return s
}

// BenchmarkForward has the collector take traces, one an operation, make them
// safe, derive metrics from them, and forward them. It counts the CPU time of
// the collector alone, from its start to its end, so it tells something from
// some ten thousand traces on: -benchtime 40000x.
func BenchmarkForward(b *testing.B) {
	binary := build(b)
	for _, load := range []load{
		{"grpc", tracegen.GRPC, 0, "none"},
		{"http", tracegen.HTTP, 0, "none"},
		{"grpc, 2000 traces a second", tracegen.GRPC, 2000, "none"},
		{"grpc, forwarded with gzip", tracegen.GRPC, 0, "gzip"},
	} {
		b.Run(load.name, func(b *testing.B) { load.forward(b, binary) })
	}
}

// load is what comes in, and how it goes out.
type load struct {
	name        string
	protocol    tracegen.Protocol
	rate        float64 // traces a second; 0 is as fast as they are acknowledged
	compression string
}

func (l load) forward(b *testing.B, binary string) {
	backend := newSink(b)
	p := start(b, binary, backend.URL, l.compression)
	cfg := tracegen.DefaultConfig()
	cfg.Protocol, cfg.Endpoint = l.protocol, "http://"+p.http
	if l.protocol == tracegen.GRPC {
		cfg.Endpoint = p.grpc
	}
	cfg.Rate, cfg.Traces, cfg.Duration, cfg.Workers = l.rate, uint64(b.N), 5*time.Minute, 8

	b.ResetTimer()
	report, err := tracegen.Run(b.Context(), cfg, nil)
	if err != nil {
		b.Fatal(err)
	}
	if !report.Complete() {
		b.Fatalf("not all was acknowledged: %+v", report)
	}
	await(b, "all spans are forwarded", func() bool { return backend.spans.Load() >= report.Acknowledged.Spans })
	b.StopTimer()

	if got := backend.spans.Load(); got != report.Acknowledged.Spans {
		b.Fatalf("%d spans were acknowledged and %d arrived", report.Acknowledged.Spans, got)
	}
	cpu, rss := p.stop(b)
	spans := float64(report.Acknowledged.Spans)
	b.ReportMetric(cpu.Seconds()/spans*1e6, "cpu-s/Mspan")
	b.ReportMetric(spans/b.Elapsed().Seconds(), "spans/s")
	b.ReportMetric(float64(rss)/(1<<20), "MiB-peak")
	b.ReportMetric(float64(report.P99.Microseconds())/1e3, "ms-p99")
}
