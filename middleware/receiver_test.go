package middleware_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collectorlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver is an OTLP server that decodes with the generated code.
type receiver struct {
	*httptest.Server

	mu      sync.Mutex
	paths   []string
	headers []http.Header
	spans   []*traces.ResourceSpans
	metrics []*metrics.ResourceMetrics
	logs    []*logs.ResourceLogs
	// answer, if set, may answer in place of the receiver.
	answer func(w http.ResponseWriter, r *http.Request) bool
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paths = append(r.paths, req.URL.Path)
	r.headers = append(r.headers, req.Header.Clone())
	body := io.Reader(req.Body)
	if req.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(req.Body)
	}
	data, err := io.ReadAll(body)
	if err == nil && (r.answer == nil || !r.answer(w, req)) {
		err = r.decode(req.URL.Path, data)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (r *receiver) decode(path string, data []byte) error {
	switch {
	case strings.HasSuffix(path, "/traces"):
		var request collectortrace.ExportTraceServiceRequest
		err := proto.Unmarshal(data, &request)
		r.spans = append(r.spans, request.GetResourceSpans()...)
		return err
	case strings.HasSuffix(path, "/metrics"):
		var request collectormetrics.ExportMetricsServiceRequest
		err := proto.Unmarshal(data, &request)
		r.metrics = append(r.metrics, request.GetResourceMetrics()...)
		return err
	}
	var request collectorlogs.ExportLogsServiceRequest
	err := proto.Unmarshal(data, &request)
	r.logs = append(r.logs, request.GetResourceLogs()...)
	return err
}

// environ is a WithGetenv of those variables only.
func environ(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}
