package instrument

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// exemplarEvery is how often a bucket takes a new exemplar. Making one costs
// more than the observation, and a scrape sees only the last.
const exemplarEvery = time.Second

// The buckets of native histograms are about a tenth apart, and when they have
// become too many farther.
const (
	nativeFactor  = 1.1
	nativeBuckets = 160
)

// nativeHistograms says whether the source wants native buckets beside the
// classic ones.
func nativeHistograms(source Source) bool {
	asking, asks := source.(interface{ NativeHistograms() bool })
	return asks && asking.NativeHistograms()
}

// Duration is a histogram of seconds whose series are found by a key of the
// caller's, without building labels. It is safe for concurrent use.
type Duration[K comparable] struct {
	series *cache[K, *histogram]
}

// NewDuration registers the histogram. labels turns a key into the values of
// the attributes; it is called once for each key.
func NewDuration[K comparable](
	source Source, metric semconv.Metric, labels func(K) []string, attributes ...attribute.Key,
) (*Duration[K], error) {
	series, err := newHistograms(source, metric, metric.Buckets(), labels, attributes)
	if err != nil {
		return nil, err
	}
	return &Duration[K]{series: series}, nil
}

// Observe adds the duration of what has ended then; a sampled span becomes its
// exemplar, unless its bucket has got one within the second before.
func (d *Duration[K]) Observe(key K, took time.Duration, ended time.Time, span trace.SpanContext) {
	d.series.get(key).observe(took.Seconds(), ended, span)
}

// Size is a histogram of bytes, and otherwise as Duration.
type Size[K comparable] struct {
	series *cache[K, *histogram]
}

// NewSize registers the histogram, with labels as in NewDuration.
func NewSize[K comparable](
	source Source, metric semconv.Metric, labels func(K) []string, attributes ...attribute.Key,
) (*Size[K], error) {
	series, err := newHistograms(source, metric, semconv.SizeBuckets(), labels, attributes)
	if err != nil {
		return nil, err
	}
	return &Size[K]{series: series}, nil
}

// Observe adds the size of what has ended then.
func (s *Size[K]) Observe(key K, size int64, ended time.Time, span trace.SpanContext) {
	s.series.get(key).observe(float64(size), ended, span)
}

func newHistograms[K comparable](
	source Source, metric semconv.Metric, buckets []float64, labels func(K) []string, attributes []attribute.Key,
) (*cache[K, *histogram], error) {
	options := prometheus.HistogramOpts{Name: metric.Prometheus(), Help: metric.Help, Buckets: buckets}
	if nativeHistograms(source) {
		options.NativeHistogramBucketFactor = nativeFactor
		options.NativeHistogramMaxBucketNumber = nativeBuckets
		options.NativeHistogramMinResetDuration = time.Hour
	}
	vec, err := Register(source.Registerer(), prometheus.NewHistogramVec(options, semconv.Labels(attributes...)))
	if err != nil {
		return nil, err
	}
	return newCache(labels, func(values []string) *histogram {
		return &histogram{
			observer: vec.WithLabelValues(values...), buckets: buckets, exemplarAt: make([]atomic.Int64, len(buckets)+1),
		}
	}), nil
}

// histogram is one series. It remembers when each bucket has got its exemplar,
// in nanoseconds since began.
type histogram struct {
	observer   prometheus.Observer
	buckets    []float64
	exemplarAt []atomic.Int64
}

// began makes monotonic times small, and never 0.
var began = time.Now().Add(-time.Nanosecond)

func (h *histogram) observe(value float64, ended time.Time, span trace.SpanContext) {
	if !span.IsSampled() || !h.wantsExemplar(value, ended) {
		h.observer.Observe(value)
		return
	}
	h.observer.(prometheus.ExemplarObserver).ObserveWithExemplar(value, prometheus.Labels{
		"trace_id": span.TraceID().String(), "span_id": span.SpanID().String(),
	})
}

func (h *histogram) wantsExemplar(value float64, ended time.Time) bool {
	bucket, _ := slices.BinarySearch(h.buckets, value)
	now := int64(ended.Sub(began))
	last := h.exemplarAt[bucket].Load()
	return (last == 0 || now-last >= int64(exemplarEvery)) && h.exemplarAt[bucket].CompareAndSwap(last, now)
}
