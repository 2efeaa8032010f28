package middleware

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// TestBothLibrariesDoTheWork makes sure that neither side of the comparison is
// fast because it is not set up: under each condition each library makes the
// spans that it should, and measures.
func TestBothLibrariesDoTheWork(t *testing.T) {
	subjects := []struct {
		name string
		kind trace.SpanKind
		run  func(t *testing.T, library, mode string, to telemetry)
	}{
		{"HTTP server", trace.SpanKindServer, func(t *testing.T, library, mode string, to telemetry) {
			handler(t, library, to).ServeHTTP(sink{}, incoming(mode))
		}},
		{"HTTP client", trace.SpanKindClient, func(t *testing.T, library, mode string, to telemetry) {
			roundTrip(t, transport(t, library, to, instant{}), outgoing(t, mode), make([]byte, 1))
		}},
		{"gRPC server", trace.SpanKindServer, func(t *testing.T, library, mode string, to telemetry) {
			served(mode).tell(grpcServer(t, library, to))
		}},
		{"gRPC client", trace.SpanKindClient, func(t *testing.T, library, mode string, to telemetry) {
			made(mode).tell(grpcClient(t, library, to))
		}},
		{"Connect server", trace.SpanKindServer, func(t *testing.T, library, mode string, to telemetry) {
			r, _ := connectCall(mode)
			w := httptest.NewRecorder()
			if connectHandler(t, library, to).ServeHTTP(w, r); w.Code != http.StatusOK {
				t.Fatalf("answered %d", w.Code)
			}
		}},
		{"Connect client", trace.SpanKindClient, func(t *testing.T, library, mode string, to telemetry) {
			callConnect(trace.ContextWithSpanContext(t.Context(), caller(mode)), t, connectClient(t, library, to))
		}},
	}
	for _, subject := range subjects {
		for _, mode := range modes {
			for _, library := range []string{waybill, otel} {
				t.Run(subject.name+"/"+mode+"/"+library, func(t *testing.T) {
					spans := tracetest.NewSpanRecorder()
					to := newTelemetry(mode, spans)
					subject.run(t, library, mode, to)
					checkSpans(t, spans, subject.kind, mode)
					checkMetrics(t, to, library, mode)
				})
			}
		}
	}
}

func checkSpans(t *testing.T, spans *tracetest.SpanRecorder, kind trace.SpanKind, mode string) {
	t.Helper()
	ended := spans.Ended()
	if mode != sampled {
		if len(ended) > 0 {
			t.Errorf("%d spans were recorded, want none", len(ended))
		}
		return
	}
	if len(ended) != 1 {
		t.Fatalf("%d spans have ended, want 1", len(ended))
	}
	span := ended[0]
	if span.SpanKind() != kind || span.Parent().SpanID() != caller(mode).SpanID() || len(span.Attributes()) < 3 {
		t.Errorf("span %q of kind %v with parent %v and attributes %v", span.Name(), span.SpanKind(), span.Parent().SpanID(), span.Attributes())
	}
}

// checkMetrics looks for one observation of a duration.
func checkMetrics(t *testing.T, to telemetry, library, mode string) {
	t.Helper()
	var observations uint64
	switch {
	case library == waybill:
		families, err := to.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			for _, metric := range family.GetMetric() {
				observations += metric.GetHistogram().GetSampleCount()
			}
		}
	case mode == none:
		return
	default:
		observations = durations(t, to)
	}
	if observations != 1 {
		t.Errorf("%d durations were observed, want 1", observations)
	}
}

// durations counts what OpenTelemetry's reader has of histograms of seconds.
func durations(t *testing.T, to telemetry) (n uint64) {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := to.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if h, is := m.Data.(metricdata.Histogram[float64]); is && m.Unit == "s" {
				for _, point := range h.DataPoints {
					n += point.Count
				}
			}
		}
	}
	return n
}
