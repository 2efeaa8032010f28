package interop

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// TestKilledCollectorLosesNothing kills the collector while it takes spans in
// and Jaeger is down. Whatever it has acknowledged must be in Jaeger when both
// are there again, by either protocol.
func TestKilledCollectorLosesNothing(t *testing.T) {
	for _, protocol := range []string{"http", "grpc"} {
		t.Run(protocol, func(t *testing.T) { testKilled(t, protocol) })
	}
}

func testKilled(t *testing.T, protocol string) {
	j := newJaeger(t, "http://"+freeAddress(t))
	to := map[string]string{"http": j.otlp, "grpc": j.grpc}[protocol]
	receiver, journal := freeAddress(t), t.TempDir()
	start := func() *program {
		return startCollectorOn(t, journal, fmt.Sprintf("{address: %q}", receiver), fmt.Sprintf(`
derive: {address: "off"}
export:
  traces: {endpoint: %q, protocol: %s}
`, to, protocol))
	}

	first := start()
	acknowledged := sendUntilKilled(t, receiver, first)
	t.Logf("killed after %d acknowledged spans", len(acknowledged))
	start()
	j.start(t)
	eventually(t, "Jaeger has all that was acknowledged", func() error {
		got, err := fetch[[]trace](t, j.query+"/api/traces?service=survivor&limit=20000")
		if err != nil {
			return err
		}
		stored := map[string]int{}
		for _, tr := range got {
			stored[tr.TraceID] = len(tr.Spans)
		}
		missing := 0
		for _, id := range acknowledged {
			if stored[id] != 1 {
				missing++
			}
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d spans are missing or there twice", missing, len(acknowledged))
		}
		return nil
	})
}

// alive asks a health endpoint.
func alive(t *testing.T, address string) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", address, response.Status)
	}
	return nil
}

const (
	senders = 4
	batch   = 20   // spans in one request
	enough  = 2000 // acknowledged spans, then the collector is killed
)

// sendUntilKilled sends spans with OpenTelemetry's own exporter, several
// requests at once, kills the collector in the middle of them, and returns the
// trace ids of the spans that it has acknowledged until then.
func sendUntilKilled(t *testing.T, receiver string, collector *program) []string {
	t.Helper()
	exporter, err := otlptrace.New(t.Context(), otlptracehttp.NewClient(
		otlptracehttp.WithEndpoint(receiver),
		otlptracehttp.WithInsecure(),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}),
		otlptracehttp.WithTimeout(10*time.Second),
	))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = exporter.Shutdown(t.Context()) }()
	var (
		wg           sync.WaitGroup
		mu           sync.Mutex
		acknowledged []string
		kill         sync.Once
	)
	send := func(first int) {
		for n := first; ; n += batch {
			stubs, ids := oneSpanTraces(n, batch)
			err := exporter.ExportSpans(t.Context(), stubs.Snapshots())
			mu.Lock()
			if err == nil {
				acknowledged = append(acknowledged, ids...)
			}
			count := len(acknowledged)
			mu.Unlock()
			switch {
			case err != nil && count < enough:
				t.Errorf("after %d spans: %v", count, err)
				return
			case err != nil:
				return
			case count >= 100*enough:
				t.Error("the collector answers although it was killed")
				return
			case count >= enough:
				kill.Do(func() { wg.Go(collector.kill) })
			}
		}
	}
	for i := range senders {
		wg.Go(func() { send(i * 1_000_000) })
	}
	wg.Wait()
	return acknowledged
}

// oneSpanTraces makes traces of one span each, and returns their ids too.
func oneSpanTraces(from, count int) (stubs tracetest.SpanStubs, ids []string) {
	service := resource.NewSchemaless(attribute.String("service.name", "survivor"))
	now := time.Now()
	for i := from; i < from+count; i++ {
		var trace oteltrace.TraceID
		var span oteltrace.SpanID
		trace[0] = 1
		binary.BigEndian.PutUint64(trace[8:], uint64(i)+1)
		binary.BigEndian.PutUint64(span[:], uint64(i)+1)
		stubs = append(stubs, tracetest.SpanStub{
			Name: "survive", SpanKind: oteltrace.SpanKindServer, Resource: service,
			SpanContext: oteltrace.NewSpanContext(oteltrace.SpanContextConfig{TraceID: trace, SpanID: span, TraceFlags: oteltrace.FlagsSampled}),
			StartTime:   now, EndTime: now.Add(time.Millisecond),
		})
		ids = append(ids, trace.String())
	}
	return stubs, ids
}
