package tracegen

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"time"

	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/tracegen/topology"
)

// bucketBounds are those of durations in the semantic conventions, in seconds.
var bucketBounds = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

// mostObserved bounds how many observations of one series are drawn for each
// export; more are scaled from those.
const mostObserved = 1000

// meter measures what the instances of a topology measure. Sums and histograms
// are cumulative. It is used by one goroutine; what it measures is a function
// of the seed and of how often it was asked.
type meter struct {
	resources []meteredResource
	rand      *rand.Rand
	began     time.Time
	last      time.Time
}

// meteredResource is an instance of a service.
type meteredResource struct {
	resource *resourcepb.Resource
	metrics  []meteredMetric
}

type meteredMetric struct {
	*topology.Metric
	series []meteredSeries
}

// meteredSeries is what a series has come to.
type meteredSeries struct {
	attributes []*commonpb.KeyValue
	value      float64 // of a sum so far, of a gauge now
	count      uint64
	sum        float64
	buckets    []uint64
}

func newMeter(t *topology.Topology, p *program, seed uint64, now time.Time) (*meter, error) {
	m := &meter{rand: rand.New(rand.NewPCG(mix(seed), 1)), began: now, last: now} //nolint:gosec // it is to be the same each time
	for i, s := range t.Services {
		if len(s.Metrics) == 0 {
			continue
		}
		for instance := range p.count[i] {
			r := meteredResource{}
			// A resource is encoded as field 1 of a ResourceMetrics.
			var frame metricspb.ResourceMetrics
			if err := proto.Unmarshal(p.resources[p.first[i]+instance], &frame); err != nil {
				return nil, fmt.Errorf("resource of %s: %w", s.Name, err)
			}
			r.resource = frame.GetResource()
			for _, metric := range s.Metrics {
				r.metrics = append(r.metrics, m.newMetric(metric))
			}
			m.resources = append(m.resources, r)
		}
	}
	return m, nil
}

func (m *meter) newMetric(metric *topology.Metric) meteredMetric {
	out := meteredMetric{Metric: metric}
	for _, attributes := range metric.Series {
		s := meteredSeries{buckets: make([]uint64, len(bucketBounds)+1)}
		for _, a := range attributes {
			s.attributes = append(s.attributes, &commonpb.KeyValue{Key: a.Key, Value: anyOf(a.Value.Constant)})
		}
		s.value = 0
		if metric.Type == topology.Gauge {
			s.value = metric.Low + (metric.High-metric.Low)*m.rand.Float64()
		}
		out.series = append(out.series, s)
	}
	return out
}

func anyOf(v any) *commonpb.AnyValue {
	switch v := v.(type) {
	case bool:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: v}}
	case int64:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: v}}
	case float64:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: v}}
	default:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: fmt.Sprint(v)}}
	}
}

// encode goes on to now, and makes ExportMetricsServiceRequests of all series,
// with how many points each has. A request has the instances that have room.
func (m *meter) encode(now time.Time) (requests [][]byte, points []int, err error) {
	elapsed := now.Sub(m.last).Seconds()
	m.last = now
	request, n, size := &colmetrics.ExportMetricsServiceRequest{}, 0, 0
	flush := func() error {
		if n == 0 {
			return nil
		}
		encoded, err := proto.Marshal(request)
		requests, points = append(requests, encoded), append(points, n)
		request, n, size = &colmetrics.ExportMetricsServiceRequest{}, 0, 0
		return err
	}
	for i := range m.resources {
		r := &m.resources[i]
		for j := range r.metrics {
			metric := &r.metrics[j]
			said := &metricspb.ResourceMetrics{Resource: r.resource, ScopeMetrics: []*metricspb.ScopeMetrics{{
				Scope:   &commonpb.InstrumentationScope{Name: scopeName},
				Metrics: []*metricspb.Metric{m.measure(metric, elapsed, now)},
			}}}
			if more := proto.Size(said); n > 0 && size+more > maxRequest {
				if err := flush(); err != nil {
					return nil, nil, err
				}
			}
			request.ResourceMetrics = append(request.ResourceMetrics, said)
			size += proto.Size(said)
			n += len(metric.series)
		}
	}
	err = flush()
	return requests, points, err
}

// measure goes on by so many seconds.
func (m *meter) measure(metric *meteredMetric, elapsed float64, now time.Time) *metricspb.Metric {
	out := &metricspb.Metric{Name: metric.Name, Description: metric.Description, Unit: metric.Unit}
	start, at := uint64(m.began.UnixNano()), uint64(now.UnixNano())
	var numbers []*metricspb.NumberDataPoint
	var distributions []*metricspb.HistogramDataPoint
	for i := range metric.series {
		s := &metric.series[i]
		s.observe(m.rand, metric.Metric, elapsed, len(metric.series))
		if metric.Type == topology.Histogram {
			distributions = append(distributions, &metricspb.HistogramDataPoint{
				Attributes: s.attributes, StartTimeUnixNano: start, TimeUnixNano: at, Count: s.count, Sum: &s.sum,
				BucketCounts: s.buckets, ExplicitBounds: bucketBounds,
			})
			continue
		}
		point := &metricspb.NumberDataPoint{Attributes: s.attributes, TimeUnixNano: at, Value: &metricspb.NumberDataPoint_AsDouble{AsDouble: s.value}}
		if metric.Type == topology.Counter {
			point.StartTimeUnixNano, point.Value = start, &metricspb.NumberDataPoint_AsInt{AsInt: int64(s.value)}
		}
		numbers = append(numbers, point)
	}
	const cumulative = metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
	switch metric.Type {
	case topology.Counter:
		out.Data = &metricspb.Metric_Sum{Sum: &metricspb.Sum{DataPoints: numbers, IsMonotonic: true, AggregationTemporality: cumulative}}
	case topology.Gauge:
		out.Data = &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: numbers}}
	default:
		out.Data = &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{DataPoints: distributions, AggregationTemporality: cumulative}}
	}
	return out
}

// observe has the series go on: a sum by what a Poisson process of its share
// of the rate counts, a gauge by a step of its own, back from its bounds.
func (s *meteredSeries) observe(r *rand.Rand, of *topology.Metric, elapsed float64, series int) {
	if of.Type == topology.Gauge {
		s.value += (of.High - of.Low) * 0.1 * r.NormFloat64()
		if s.value > of.High {
			s.value = max(2*of.High-s.value, of.Low)
		}
		if s.value < of.Low {
			s.value = min(2*of.Low-s.value, of.High)
		}
		return
	}
	n := poisson(r, of.Rate/float64(series)*elapsed)
	s.value += float64(n)
	if of.Type != topology.Histogram || n == 0 {
		return
	}
	drawn := min(n, mostObserved)
	for k := range drawn {
		times := uint64((k+1)*n/drawn - k*n/drawn)
		seconds := of.Latency.Draw(r).Seconds()
		s.buckets[sort.SearchFloat64s(bucketBounds, seconds)] += times
		s.count += times
		s.sum += seconds * float64(times)
	}
}

// poisson draws how many arrivals there are where so many are expected; where
// they are many, from the normal distribution that theirs is close to.
func poisson(r *rand.Rand, expected float64) int {
	if expected > 50 {
		return int(max(math.Round(expected+math.Sqrt(expected)*r.NormFloat64()), 0))
	}
	n, left := 0, math.Exp(-expected)
	for product := r.Float64(); product > left; product *= r.Float64() {
		n++
	}
	return n
}
