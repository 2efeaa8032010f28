package instrument

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// maxSeries bounds the series of one Duration. The label sets are bounded by
// construction as far as the instrumentation can do it; routes, methods and
// destinations come from the application, and it may err.
const maxSeries = 2000

// Overflow is the value of every label of the series that takes what maxSeries
// refuses; its name is OpenTelemetry's attribute for this.
const Overflow = "otel.metric.overflow"

// Duration is a histogram of seconds whose series are found by a key of the
// caller's, without building labels. It is safe for concurrent use.
type Duration[K comparable] struct {
	vec    *prometheus.HistogramVec
	labels func(K) []string

	series sync.Map // K → prometheus.Observer
	count  atomic.Int64
}

// NewDuration registers the histogram. labels turns a key into the values of
// the attributes; it is called once for each key.
func NewDuration[K comparable](
	registerer prometheus.Registerer, metric semconv.Metric, labels func(K) []string, attributes ...attribute.Key,
) (*Duration[K], error) {
	vec, err := Register(registerer, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: metric.Prometheus(), Help: metric.Help, Buckets: semconv.Buckets(),
	}, semconv.Labels(attributes...)))
	if err != nil {
		return nil, err
	}
	return &Duration[K]{vec: vec, labels: labels}, nil
}

// Observe adds one duration; a sampled span becomes its exemplar.
func (d *Duration[K]) Observe(key K, took time.Duration, span trace.SpanContext) {
	observer := d.observer(key)
	if !span.IsSampled() {
		observer.Observe(took.Seconds())
		return
	}
	observer.(prometheus.ExemplarObserver).ObserveWithExemplar(took.Seconds(), prometheus.Labels{
		"trace_id": span.TraceID().String(), "span_id": span.SpanID().String(),
	})
}

func (d *Duration[K]) observer(key K) prometheus.Observer {
	if found, ok := d.series.Load(key); ok {
		return found.(prometheus.Observer)
	}
	if d.count.Add(1) > maxSeries {
		d.count.Add(-1)
		return d.vec.WithLabelValues(d.overflowLabels(key)...)
	}
	made, loaded := d.series.LoadOrStore(key, d.vec.WithLabelValues(d.labels(key)...))
	if loaded {
		d.count.Add(-1)
	}
	return made.(prometheus.Observer)
}

func (d *Duration[K]) overflowLabels(key K) []string {
	values := d.labels(key)
	for i := range values {
		values[i] = Overflow
	}
	return values
}
