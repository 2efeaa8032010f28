package receive

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
)

// drained is a journal in memory whose only reader has always read all.
type drained struct {
	journal.Journal

	reader journal.Reader
}

func newDrained(t testing.TB) *drained {
	t.Helper()
	j := memory.New(memory.Config{MaxBytes: 1 << 30})
	r, err := j.Reader("drain")
	if err != nil {
		t.Fatal(err)
	}
	return &drained{Journal: j, reader: r}
}

func (d *drained) Append(ctx context.Context, signal journal.Signal, items uint32, payload []byte) (journal.Offset, error) {
	off, err := d.Journal.Append(ctx, signal, items, payload)
	if err == nil {
		err = d.reader.Commit(d.Stats().End)
	}
	return off, err
}

// sink is a client that does not read.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(status int)      { s.status = status }

// body is a request's body that can be sent again.
type body struct{ bytes.Reader }

func (*body) Close() error { return nil }

// replay answers one request over and over, without a network.
type replay struct {
	handler http.Handler
	raw     []byte
	body    body
	request *http.Request
	sink    sink
}

func newReplay(t testing.TB, raw []byte, headers ...string) *replay {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/traces", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	r := &replay{
		handler: &httpHandler{testIntake(t, testConfig(), newDrained(t))},
		raw:     raw, request: request, sink: sink{header: http.Header{}},
	}
	request.Body, request.ContentLength = &r.body, int64(len(raw))
	return r
}

func (r *replay) do(t testing.TB) {
	r.body.Reset(r.raw)
	clear(r.sink.header)
	r.handler.ServeHTTP(&r.sink, r.request)
	if r.sink.status != http.StatusOK {
		t.Fatalf("answer %d", r.sink.status)
	}
}

func BenchmarkHTTP500Spans(b *testing.B) {
	raw := encode(b, traceRequest(500))
	text := spansAsJSON(b, traceRequest(500), strings.ToLower)
	requests := map[string]*replay{
		"protobuf":       newReplay(b, raw, "Content-Type", protobufType),
		"protobuf, gzip": newReplay(b, gzipOf(b, raw), "Content-Type", protobufType, "Content-Encoding", "gzip"),
		"protobuf, zstd": newReplay(b, zstdOf(b, raw), "Content-Type", protobufType, "Content-Encoding", "zstd"),
		"json":           newReplay(b, text, "Content-Type", jsonType),
	}
	for name, request := range requests {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				request.do(b)
			}
		})
	}
}

// BenchmarkOverTheWire includes client and network, with eight clients at once.
func BenchmarkOverTheWire(b *testing.B) {
	message := traceRequest(500)
	raw := encode(b, message)
	r, _ := receivers(b, testConfig(), newDrained(b))
	b.Run("grpc", func(b *testing.B) {
		client := coltrace.NewTraceServiceClient(dial(b, r))
		b.SetBytes(int64(len(raw)))
		b.SetParallelism(4)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := client.Export(b.Context(), message); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("http", func(b *testing.B) {
		url := "http://" + r.HTTPAddr().String() + "/v1/traces"
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
		defer client.CloseIdleConnections()
		b.SetBytes(int64(len(raw)))
		b.SetParallelism(4)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, bytes.NewReader(raw))
				if err != nil {
					b.Error(err)
					return
				}
				req.Header.Set("Content-Type", protobufType)
				resp, err := client.Do(req)
				if err != nil {
					b.Error(err)
					return
				}
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					b.Errorf("answer %d", resp.StatusCode)
				}
			}
		})
	})
}

func TestAllocationsPerRequestAreFew(t *testing.T) {
	raw := encode(t, traceRequest(500))
	tests := map[string]struct {
		request *replay
		most    float64
	}{
		"protobuf": {newReplay(t, raw, "Content-Type", protobufType), 25},
		"gzip":     {newReplay(t, gzipOf(t, raw), "Content-Type", protobufType, "Content-Encoding", "gzip"), 40},
		"zstd":     {newReplay(t, zstdOf(t, raw), "Content-Type", protobufType, "Content-Encoding", "zstd"), 40},
	}
	for name, test := range tests {
		test.request.do(t) // fills the pools
		if got := testing.AllocsPerRun(30, func() { test.request.do(t) }); got > test.most {
			t.Errorf("%s: %v allocations for a request of 500 spans, want %v at most", name, got, test.most)
		}
	}
}
