package collector

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/tracegen"
)

// sampled is a collector that has taken a load, and what it forwards to.
type sampled struct {
	collector *Collector
	backend   *exporttest.Backend
	traces    map[string]*sent // as they were received, by id
}

// runSampling sends so many traces to a collector of that configuration, which
// keeps them all.
func runSampling(t *testing.T, cfg Config, traces uint64) sampled {
	t.Helper()
	backend := exporttest.New(t)
	cfg.Journal.Retain = true
	cfg.Export.Traces[0].Endpoint = backend.URL()
	c := run(t, cfg)
	load := tracegen.DefaultConfig()
	load.Endpoint = "http://" + c.OTLPHTTP().String()
	load.Rate, load.Duration, load.Traces, load.Timeout = 0, 0, traces, time.Minute
	report, err := tracegen.Run(t.Context(), load, nil)
	if err != nil || report.Acknowledged.Traces != traces {
		t.Fatalf("%v, %v", report, err)
	}
	return sampled{c, backend, received(t, c)}
}

// anyTraceState is that of a trace which is forwarded as it came: without a
// threshold.
const anyTraceState = "any"

// wantForwarded waits for the traces for which wanted has the beginning of a
// tracestate, each whole, and no others. It returns how many they are.
func (s sampled) wantForwarded(t *testing.T, wanted func(id string) string) (traces int) {
	t.Helper()
	want := 0
	for id, trace := range s.traces {
		if wanted(id) != "" {
			want += trace.spans
			traces++
		}
	}
	requests, spans := 0, 0
	s.backend.Wait(t, "what is kept", func() bool {
		for _, r := range s.backend.Taken("")[requests:] {
			requests, spans = requests+1, spans+len(exporttest.Spans(t, r))
		}
		return spans >= want
	})
	got := map[string]int{}
	for _, span := range s.backend.Spans(t) {
		id := string(span.GetTraceId())
		got[id]++
		state, began := span.GetTraceState(), wanted(id)
		if began == "" || began == anyTraceState && strings.Contains(state, "th:") || began != anyTraceState && !strings.HasPrefix(state, began) {
			t.Fatalf("trace %x was forwarded with tracestate %q, want %q", id, state, began)
		}
	}
	for id, n := range got {
		if n != s.traces[id].spans {
			t.Errorf("trace %x: %d of %d spans were forwarded", id, n, s.traces[id].spans)
		}
	}
	return traces
}

// randomness are the 56 bits of a trace's id by which probability decides.
func randomness(id string) uint64 { return binary.BigEndian.Uint64([]byte(id)[8:]) & (1<<56 - 1) }

// sent is a trace as it was received.
type sent struct {
	spans  int
	failed bool
}

// received are the traces in the collector's journal, by id.
func received(t *testing.T, c *Collector) map[string]*sent {
	t.Helper()
	reader, err := c.Journal().Reader("")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	traces := map[string]*sent{}
	for end, at := c.Journal().Stats().End, journal.Offset(0); at < end; {
		records, err := reader.Next(t.Context(), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			at = r.Next
			var request coltracepb.ExportTraceServiceRequest
			if err := proto.Unmarshal(r.Payload, &request); err != nil {
				t.Fatal(err)
			}
			for _, resource := range request.GetResourceSpans() {
				for _, scope := range resource.GetScopeSpans() {
					for _, span := range scope.GetSpans() {
						id := string(span.GetTraceId())
						if traces[id] == nil {
							traces[id] = &sent{}
						}
						traces[id].spans++
						traces[id].failed = traces[id].failed || span.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR
					}
				}
			}
		}
	}
	return traces
}
