// Package exporttest has a backend for tests: it takes OTLP over HTTP or gRPC,
// remembers what it took, and fails the way it is told to.
package exporttest

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Request is one that the backend was sent.
type Request struct {
	Path   string
	Header http.Header
	// Body is decompressed.
	Body []byte
}

// Answer is what a test wants the backend to say. The zero Answer is success.
type Answer struct {
	Status int // zero means 200
	Header map[string]string
	Body   []byte
	// GRPC is the status over gRPC, in place of Status and Header; nil is OK.
	GRPC *status.Status
	// Hang up instead of answering.
	HangUp bool
}

// Backend records the requests that it answered with success. It is safe for
// concurrent use.
type Backend struct {
	url string

	mu      sync.Mutex
	decide  func(Request) Answer
	taken   []Request
	refused int
	changed chan struct{}
}

// New starts a backend that takes everything; it ends with the test.
func New(t testing.TB) *Backend {
	t.Helper()
	b := newBackend()
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

// NewTLS is New over TLS, with HTTP/2 for those who want it.
func NewTLS(t testing.TB, cfg *tls.Config) *Backend {
	t.Helper()
	b := newBackend()
	server := httptest.NewUnstartedServer(b)
	server.TLS, server.EnableHTTP2 = cfg, true
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // Handshakes are meant to fail.
	server.StartTLS()
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

func newBackend() *Backend {
	return &Backend{decide: func(Request) Answer { return Answer{} }, changed: make(chan struct{})}
}

// URL is the endpoint to configure; over gRPC it is host:port.
func (b *Backend) URL() string { return b.url }

// Decide changes how requests are answered from now on. decide is not called
// concurrently.
func (b *Backend) Decide(decide func(Request) Answer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.decide = decide
}

// Down hangs up on everyone.
func (b *Backend) Down() { b.Decide(func(Request) Answer { return Answer{HangUp: true} }) }

// Up takes everything.
func (b *Backend) Up() { b.Decide(func(Request) Answer { return Answer{} }) }

// ServeHTTP implements http.Handler.
func (b *Backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := decompress(r.Body, r.Header.Get("Content-Encoding"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	request := Request{Path: r.URL.Path, Header: r.Header.Clone(), Body: body}
	a := b.answer(request)
	if a.HangUp {
		panic(http.ErrAbortHandler)
	}
	for name, value := range a.Header {
		w.Header().Set(name, value)
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/x-protobuf")
	}
	w.WriteHeader(max(a.Status, http.StatusOK))
	_, _ = w.Write(a.Body)
}

func decompress(r io.Reader, encoding string) ([]byte, error) {
	switch encoding {
	case "gzip":
		unzipped, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(unzipped)
	case "zstd":
		unzipped, err := zstd.NewReader(r)
		if err != nil {
			return nil, err
		}
		defer unzipped.Close()
		return io.ReadAll(unzipped)
	}
	return io.ReadAll(r)
}

func (b *Backend) answer(r Request) Answer {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.decide(r)
	if a.HangUp || a.Status >= 300 || a.GRPC.Code() != codes.OK {
		b.refused++
	} else {
		b.taken = append(b.taken, r)
	}
	close(b.changed)
	b.changed = make(chan struct{})
	return a
}

// Taken are the requests answered with success to that path, all for "".
func (b *Backend) Taken(path string) []Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	var taken []Request
	for _, r := range b.taken {
		if path == "" || r.Path == path {
			taken = append(taken, r)
		}
	}
	return taken
}

// Refused counts the requests that were not answered with success.
func (b *Backend) Refused() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refused
}

// Wait returns when done says so; it is asked after each request. The test
// fails after half a minute.
func (b *Backend) Wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	for {
		b.mu.Lock()
		changed := b.changed
		b.mu.Unlock()
		if done() {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			t.Fatalf("backend waited for %s in vain", what)
		}
	}
}

// Spans are all spans taken, in order.
func (b *Backend) Spans(t testing.TB) []*tracepb.Span {
	t.Helper()
	var spans []*tracepb.Span
	for _, r := range b.Taken("/v1/traces") {
		spans = append(spans, Spans(t, r)...)
	}
	return spans
}

// Spans are those of one request.
func Spans(t testing.TB, r Request) []*tracepb.Span {
	t.Helper()
	var request coltracepb.ExportTraceServiceRequest
	decode(t, r, &request)
	var spans []*tracepb.Span
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			spans = append(spans, scope.GetSpans()...)
		}
	}
	return spans
}

// MetricNames are the names of all metrics taken, in order.
func (b *Backend) MetricNames(t testing.TB) []string {
	t.Helper()
	var names []string
	for _, r := range b.Taken("/v1/metrics") {
		var request colmetricspb.ExportMetricsServiceRequest
		decode(t, r, &request)
		for _, resource := range request.GetResourceMetrics() {
			for _, scope := range resource.GetScopeMetrics() {
				for _, metric := range scope.GetMetrics() {
					names = append(names, metric.GetName())
				}
			}
		}
	}
	return names
}

// LogBodies are the texts of all log records taken, in order.
func (b *Backend) LogBodies(t testing.TB) []string {
	t.Helper()
	var bodies []string
	for _, r := range b.Taken("/v1/logs") {
		var request collogspb.ExportLogsServiceRequest
		decode(t, r, &request)
		for _, resource := range request.GetResourceLogs() {
			for _, scope := range resource.GetScopeLogs() {
				for _, record := range scope.GetLogRecords() {
					bodies = append(bodies, record.GetBody().GetStringValue())
				}
			}
		}
	}
	return bodies
}

func decode(t testing.TB, r Request, into proto.Message) {
	t.Helper()
	if err := proto.Unmarshal(r.Body, into); err != nil {
		t.Fatalf("backend took a request to %s that is not OTLP: %v", r.Path, err)
	}
}
