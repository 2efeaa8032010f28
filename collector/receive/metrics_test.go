package receive

import (
	"context"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
)

func TestMetrics(t *testing.T) {
	j := &switchedJournal{Journal: memory.New(memory.Config{})}
	r, reg := receivers(t, testConfig(), j)
	body := encode(t, traceRequest(4))
	nameless := traceRequest(3)
	nameless.ResourceSpans[0].ScopeSpans[0].Spans[0].SpanId = nil
	client := coltrace.NewTraceServiceClient(dial(t, r))
	for _, message := range []*coltrace.ExportTraceServiceRequest{traceRequest(2), nameless} {
		if _, err := client.Export(t.Context(), message); err != nil {
			t.Fatal(err)
		}
	}
	post(t, r, "/v1/traces", protobufType, body)
	post(t, r, "/v1/logs", protobufType, []byte("garbage"))
	post(t, r, "/v1/profiles", protobufType, body)
	j.err = journal.ErrFull
	post(t, r, "/v1/traces", protobufType, body)

	const want = `
# HELP waybill_receive_inflight_bytes Bytes held for requests that have no answer yet.
# TYPE waybill_receive_inflight_bytes gauge
waybill_receive_inflight_bytes 0
# HELP waybill_receive_inflight_budget_bytes Bytes that may be held for requests that have no answer yet.
# TYPE waybill_receive_inflight_budget_bytes gauge
waybill_receive_inflight_budget_bytes 2.68435456e+08
# HELP waybill_receive_items_total Spans, data points and log records in requests that could be read.
# TYPE waybill_receive_items_total counter
waybill_receive_items_total{outcome="accepted",signal="traces"} 8
waybill_receive_items_total{outcome="refused",signal="traces"} 4
waybill_receive_items_total{outcome="rejected",signal="traces"} 1
# HELP waybill_receive_requests_total Export requests that were answered, by what became of them.
# TYPE waybill_receive_requests_total counter
waybill_receive_requests_total{outcome="accepted",signal="traces",transport="grpc"} 1
waybill_receive_requests_total{outcome="accepted",signal="traces",transport="http"} 1
waybill_receive_requests_total{outcome="full",signal="traces",transport="http"} 1
waybill_receive_requests_total{outcome="malformed",signal="logs",transport="http"} 1
waybill_receive_requests_total{outcome="partial",signal="traces",transport="grpc"} 1
waybill_receive_requests_total{outcome="unsupported",signal="unknown",transport="http"} 1
`
	err := testutil.GatherAndCompare(reg, strings.NewReader(want),
		"waybill_receive_inflight_bytes", "waybill_receive_inflight_budget_bytes",
		"waybill_receive_items_total", "waybill_receive_requests_total")
	if err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(reg, "waybill_receive_bytes_total", "waybill_receive_duration_seconds"); err != nil || n != 5 {
		t.Errorf("bytes and durations have %d series, %v; want 5", n, err)
	}
}

// switchedJournal begins to refuse when err is set.
type switchedJournal struct {
	journal.Journal

	err error
}

func (j *switchedJournal) Append(ctx context.Context, signal journal.Signal, items uint32, payload []byte) (journal.Offset, error) {
	if j.err != nil {
		return 0, j.err
	}
	return j.Journal.Append(ctx, signal, items, payload)
}
