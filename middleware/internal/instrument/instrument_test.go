package instrument_test

import (
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

func labels(key string) []string { return []string{key} }

// source has a registry of its own, and the rest of the globals.
type source struct {
	instrument.Globals
	registry *prometheus.Registry
	native   bool
}

func (s source) Registerer() prometheus.Registerer { return s.registry }
func (s source) NativeHistograms() bool            { return s.native }

func newDuration(t *testing.T, registry *prometheus.Registry) *instrument.Duration[string] {
	t.Helper()
	d, err := instrument.NewDuration(source{registry: registry}, semconv.HTTPServerRequestDuration, labels, semconv.HTTPRoute)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// gathered is the only family of the registry.
func gathered(t *testing.T, registry *prometheus.Registry) *dto.MetricFamily {
	t.Helper()
	families, err := registry.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%d families, error %v; want one", len(families), err)
	}
	return families[0]
}

func spanContext(n byte, flags trace.TraceFlags) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{n}, SpanID: trace.SpanID{n}, TraceFlags: flags})
}

// exemplars are the trace ids of the series' exemplars, by upper bound.
func exemplars(metric *dto.Metric) map[float64]string {
	found := map[float64]string{}
	for _, bucket := range metric.GetHistogram().GetBucket() {
		for _, label := range bucket.GetExemplar().GetLabel() {
			if label.GetName() == "trace_id" {
				found[bucket.GetUpperBound()] = label.GetValue()[:2]
			}
		}
	}
	return found
}

func TestExemplarsAreOfSampledSpansAndOneASecondForEachBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		d := newDuration(t, registry)
		d.Observe("/a", 20*time.Millisecond, time.Now(), spanContext(1, 0))
		d.Observe("/a", 20*time.Millisecond, time.Now(), spanContext(2, trace.FlagsSampled))
		d.Observe("/a", 20*time.Millisecond, time.Now(), spanContext(3, trace.FlagsSampled))
		d.Observe("/a", 2*time.Second, time.Now(), spanContext(4, trace.FlagsSampled))
		metric := gathered(t, registry).GetMetric()[0]
		if got := exemplars(metric); got[0.025] != "02" || got[2.5] != "04" || len(got) != 2 {
			t.Errorf("exemplars by bucket: %v", got)
		}
		if got := metric.GetHistogram().GetSampleCount(); got != 4 {
			t.Errorf("count = %d, want 4", got)
		}
		time.Sleep(time.Second) // in the test's own time
		d.Observe("/a", 20*time.Millisecond, time.Now(), spanContext(5, trace.FlagsSampled))
		if got := exemplars(gathered(t, registry).GetMetric()[0]); got[0.025] != "05" {
			t.Errorf("exemplars a second later: %v", got)
		}
	})
}

func TestSeriesAreBounded(t *testing.T) {
	registry := prometheus.NewRegistry()
	d := newDuration(t, registry)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 3000 {
				d.Observe(strconv.Itoa(i*4+worker), time.Second, time.Now(), trace.SpanContext{})
			}
		})
	}
	wg.Wait()
	metrics := gathered(t, registry).GetMetric()
	if len(metrics) != 2001 {
		t.Fatalf("%d series, want 2001", len(metrics))
	}
	total := uint64(0)
	for _, metric := range metrics {
		total += metric.GetHistogram().GetSampleCount()
	}
	if total != 12000 {
		t.Errorf("%d observations are counted, want 12000", total)
	}
}

func TestObserveAllocatesNothing(t *testing.T) {
	d := newDuration(t, prometheus.NewRegistry())
	for name, span := range map[string]trace.SpanContext{"unsampled": spanContext(1, 0), "sampled": spanContext(1, trace.FlagsSampled)} {
		d.Observe("/a", time.Second, time.Now(), span)
		// A new exemplar may come once a second, which rounds to none.
		if got := testing.AllocsPerRun(1000, func() { d.Observe("/a", time.Second, time.Now(), span) }); got > 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}

func TestTwoInstrumentsOfOneRegistryShareTheirSeries(t *testing.T) {
	registry := prometheus.NewRegistry()
	newDuration(t, registry).Observe("/a", time.Second, time.Now(), trace.SpanContext{})
	newDuration(t, registry).Observe("/a", time.Second, time.Now(), trace.SpanContext{})
	if got := gathered(t, registry).GetMetric()[0].GetHistogram().GetSampleCount(); got != 2 {
		t.Errorf("count = %d, want 2", got)
	}
	if _, err := instrument.NewGauge(registry, semconv.HTTPServerRequestDuration, labels, semconv.HTTPRoute); err == nil {
		t.Error("a gauge of the histogram's name gave no error")
	}
}

func TestSizesAndGauges(t *testing.T) {
	registry := prometheus.NewRegistry()
	size, err := instrument.NewSize(source{registry: registry}, semconv.HTTPServerRequestBodySize, labels, semconv.HTTPRoute)
	if err != nil {
		t.Fatal(err)
	}
	size.Observe("/a", 300, time.Now(), trace.SpanContext{})
	family := gathered(t, registry)
	if got := family.GetMetric()[0].GetHistogram(); family.GetName() != "http_server_request_body_size_bytes" || got.GetSampleSum() != 300 {
		t.Errorf("%s: %v", family.GetName(), got)
	}
	registry = prometheus.NewRegistry()
	gauge, err := instrument.NewGauge(registry, semconv.HTTPServerActiveRequests, labels, semconv.URLScheme)
	if err != nil {
		t.Fatal(err)
	}
	gauge.Series("http").Inc()
	if got := gathered(t, registry).GetMetric()[0].GetGauge().GetValue(); got != 1 {
		t.Errorf("gauge = %v, want 1", got)
	}
}

func TestNativeBucketsStandBesideTheClassicOnes(t *testing.T) {
	for _, native := range []bool{false, true} {
		registry := prometheus.NewRegistry()
		d, err := instrument.NewDuration(source{registry: registry, native: native}, semconv.HTTPServerRequestDuration, labels, semconv.HTTPRoute)
		if err != nil {
			t.Fatal(err)
		}
		d.Observe("/a", 20*time.Millisecond, time.Now(), spanContext(1, trace.FlagsSampled))
		d.Observe("/a", 25*time.Millisecond, time.Now(), trace.SpanContext{})
		h := gathered(t, registry).GetMetric()[0].GetHistogram()
		if len(h.GetBucket()) != len(semconv.HTTPServerRequestDuration.Buckets()) || h.GetSampleCount() != 2 {
			t.Errorf("native %v: %d classic buckets, %d observations", native, len(h.GetBucket()), h.GetSampleCount())
		}
		if got := len(h.GetPositiveDelta()) > 0 && len(h.GetExemplars()) == 1; got != native {
			t.Errorf("native buckets with an exemplar: %v, want %v; %v", got, native, h)
		}
	}
}
