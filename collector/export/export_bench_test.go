package export

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
)

// records are requests of a shop's services, some 25 spans in each, 4 MiB in all.
func records(b *testing.B) []journal.Record {
	b.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	var all []journal.Record
	for size, now := 0, uint64(1_795_000_000e9); size < 4<<20; now += 1e9 {
		request := &coltracepb.ExportTraceServiceRequest{}
		for _, service := range []string{"gateway", "user", "order", "inventory", "payment"} {
			spans := make([]*tracepb.Span, 5)
			for i := range spans {
				spans[i] = shopSpan(random, now)
			}
			request.ResourceSpans = append(request.ResourceSpans, &tracepb.ResourceSpans{
				Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{
					text("service.name", service), text("service.version", "1.0.0"), text("service.instance.id", service+"-1"),
					text("telemetry.sdk.language", "go"),
				}},
				ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}},
			})
		}
		payload, err := proto.Marshal(request)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, journal.Record{Signal: journal.Traces, Items: 25, Payload: payload})
		size += len(payload)
	}
	return all
}

// shopSpan has ids, times and an order that no other span has.
func shopSpan(random *rand.Rand, now uint64) *tracepb.Span {
	id := binary.BigEndian.AppendUint64(nil, random.Uint64())
	began := now + uint64(random.Int64N(1e9))
	return &tracepb.Span{
		TraceId: binary.BigEndian.AppendUint64(id, random.Uint64()), SpanId: id, ParentSpanId: binary.BigEndian.AppendUint64(nil, random.Uint64()),
		Name: "POST /api/v1/orders", Kind: tracepb.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: began, EndTimeUnixNano: began + uint64(random.Int64N(1e8)),
		Attributes: []*commonpb.KeyValue{
			text("http.request.method", "POST"), text("http.route", "/api/v1/orders"), text("url.scheme", "http"),
			text("shop.order.id", fmt.Sprintf("order-%08x", random.Uint32())), text("network.protocol.version", "1.1"),
		},
	}
}

func text(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
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
			began := cpu(b)
			for b.Loop() {
				out = out.free()
				if err := out.fill(batch, zip); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric((cpu(b)-began).Seconds()/float64(spans)/float64(b.N)*1e6, "cpu-s/Mspan")
			b.ReportMetric(float64(size)/float64(out.data.Len()), "ratio")
		})
	}
}

// cpu is what the process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
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
