package export

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/collector/wire"
	"github.com/waybill-dev/waybill/tracegen"
)

// records are requests as the shop's services send them, 4 MiB in all.
func records(b *testing.B) []journal.Record {
	b.Helper()
	var mu sync.Mutex
	var all []journal.Record
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		spans, err := wire.CountSpans(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, journal.Record{Signal: journal.Traces, Items: uint32(spans), Payload: body})
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer sink.Close()
	cfg := tracegen.DefaultConfig()
	cfg.Endpoint, cfg.Protocol, cfg.Rate, cfg.Traces = sink.URL, tracegen.HTTP, 0, 1200
	if _, err := tracegen.Run(b.Context(), cfg, nil); err != nil {
		b.Fatal(err)
	}
	size := 0
	for i := range all {
		if size += len(all[i].Payload); size > 4<<20 {
			return all[:i]
		}
	}
	return all
}

// BenchmarkCompress tells what each compression costs, and how much it saves.
// The ones without a level are those that destinations use.
func BenchmarkCompress(b *testing.B) {
	batch := records(b)
	for _, test := range []struct {
		name string
		make func() (compressor, error)
	}{
		{"none", func() (compressor, error) { return newCompressor(NoCompression) }},
		{"gzip", func() (compressor, error) { return newCompressor(Gzip) }},
		{"gzip level 5", func() (compressor, error) { return gzip.NewWriterLevel(nil, 5) }},
		{"zstd", func() (compressor, error) { return newCompressor(Zstd) }},
		{"zstd default", func() (compressor, error) {
			return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdWindow))
		}},
	} {
		b.Run(test.name, func(b *testing.B) {
			zip, err := test.make()
			if err != nil {
				b.Fatal(err)
			}
			spans, size := weigh(batch)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			var out *body
			for b.Loop() {
				out = out.free()
				if err := out.fill(batch, zip); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(spans)/float64(b.N)*1e6, "s/Mspan")
			b.ReportMetric(float64(size)/float64(out.data.Len()), "ratio")
		})
	}
}

// BenchmarkForward has a backlog in memory brought to a backend in the same
// process, which answers at once, or takes 20 ms for it. An operation is 4 MiB.
func BenchmarkForward(b *testing.B) {
	batch := records(b)
	for protocol, newBackend := range protocols {
		for _, latency := range []time.Duration{0, 20 * time.Millisecond} {
			for _, compression := range []Compression{NoCompression, Gzip} {
				b.Run(fmt.Sprintf("%s %s %v", protocol, compression, latency), func(b *testing.B) {
					backend := newBackend(b, compression)
					backend.Decide(func(exporttest.Request) exporttest.Answer {
						time.Sleep(latency)
						return exporttest.Answer{}
					})
					cfg := DefaultConfig()
					cfg.Traces[0].Endpoint, cfg.Traces[0].Protocol, cfg.Traces[0].Compression = backend.URL(), protocol, compression
					forwardBacklog(b, cfg, batch)
				})
			}
		}
	}
}

func forwardBacklog(b *testing.B, cfg Config, batch []journal.Record) {
	b.Helper()
	spans, size := weigh(batch)
	b.SetBytes(int64(size))
	j := memory.New(memory.Config{MaxBytes: 1 << 40})
	for range b.N {
		for _, record := range batch {
			if _, err := j.Append(b.Context(), record.Signal, record.Items, record.Payload); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ResetTimer()
	running, err := Start(cfg, j, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	for end := j.Stats().End; j.Stats().Cursors["export-traces"] < end; {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	if err := running.Shutdown(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(spans)*float64(b.N)/b.Elapsed().Seconds(), "spans/s")
}
