package push

import (
	"encoding/hex"
	"maps"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
)

// points writes metrics as OTLP has them: those of one family, which follow
// each other, as one metric. Names stay as they are, and units are given where
// the name has them, so that a backend that makes Prometheus' names of them
// makes the same again.
func points(metrics []metric, kind Histograms, at time.Time) (all []*metricspb.Metric) {
	now := uint64(at.UnixNano())
	for len(metrics) > 0 {
		family := metrics[0].family
		n := 1
		for n < len(metrics) && metrics[n].family.GetName() == family.GetName() {
			n++
		}
		m := &metricspb.Metric{Name: family.GetName(), Description: family.GetHelp()}
		if unitOf(family) == "seconds" {
			m.Unit = "s"
		}
		fill(m, metrics[:n], kind, now)
		all, metrics = append(all, m), metrics[n:]
	}
	return all
}

// fill adds the points. Everything that is derived counts since it was created.
func fill(m *metricspb.Metric, metrics []metric, kind Histograms, now uint64) {
	const cumulative = metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
	switch {
	case metrics[0].family.GetType() != dto.MetricType_HISTOGRAM:
		sum := &metricspb.Sum{AggregationTemporality: cumulative, IsMonotonic: true}
		for i := range metrics {
			sum.DataPoints = append(sum.DataPoints, numberOf(&metrics[i], now))
		}
		m.Data = &metricspb.Metric_Sum{Sum: sum}
	case kind == Exponential && metrics[0].isNative():
		h := &metricspb.ExponentialHistogram{AggregationTemporality: cumulative}
		for i := range metrics {
			h.DataPoints = append(h.DataPoints, exponentialOf(&metrics[i], now))
		}
		m.Data = &metricspb.Metric_ExponentialHistogram{ExponentialHistogram: h}
	default:
		h := &metricspb.Histogram{AggregationTemporality: cumulative}
		for i := range metrics {
			h.DataPoints = append(h.DataPoints, explicitOf(&metrics[i], now))
		}
		m.Data = &metricspb.Metric_Histogram{Histogram: h}
	}
}

// noValue marks a point as the end of its series.
const noValue = uint32(metricspb.DataPointFlags_DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK)

func numberOf(m *metric, now uint64) *metricspb.NumberDataPoint {
	p := &metricspb.NumberDataPoint{Attributes: labelsOf(m), StartTimeUnixNano: m.start(), TimeUnixNano: now}
	if m.gone {
		p.Flags = noValue
		return p
	}
	p.Value = &metricspb.NumberDataPoint_AsDouble{AsDouble: m.GetCounter().GetValue()}
	p.Exemplars = exemplarsOf(m.known.news(0, 1, m.GetCounter().GetExemplar()))
	return p
}

func explicitOf(m *metric, now uint64) *metricspb.HistogramDataPoint {
	p := &metricspb.HistogramDataPoint{Attributes: labelsOf(m), StartTimeUnixNano: m.start(), TimeUnixNano: now}
	h := m.GetHistogram()
	if m.gone { // Prometheus ends the series of the sum and of the buckets that it sees only.
		p.Flags, p.Sum, p.BucketCounts = noValue, new(0.0), make([]uint64, len(h.GetBucket()))
		p.ExplicitBounds = boundsOf(h)
		return p
	}
	p.Count, p.Sum, p.ExplicitBounds = h.GetSampleCount(), new(h.GetSampleSum()), boundsOf(h)
	before := uint64(0)
	for i, b := range h.GetBucket() {
		p.BucketCounts = append(p.BucketCounts, b.GetCumulativeCount()-before)
		before = b.GetCumulativeCount()
		p.Exemplars = append(p.Exemplars, exemplarsOf(m.known.news(i, len(h.GetBucket()), b.GetExemplar()))...)
	}
	return p
}

// boundsOf are the upper bounds of the buckets, without that of the last.
func boundsOf(h *dto.Histogram) (all []float64) {
	for i, b := range h.GetBucket() {
		if i < len(h.GetBucket())-1 {
			all = append(all, b.GetUpperBound())
		}
	}
	return all
}

// exponentialOf has the same buckets as the native histogram, whose scale OTLP
// has too. The index of Prometheus is of the upper bound, that of OTLP of the
// lower one.
func exponentialOf(m *metric, now uint64) *metricspb.ExponentialHistogramDataPoint {
	p := &metricspb.ExponentialHistogramDataPoint{Attributes: labelsOf(m), StartTimeUnixNano: m.start(), TimeUnixNano: now}
	h := m.GetHistogram()
	if p.Scale = h.GetSchema(); m.gone {
		p.Flags = noValue
		return p
	}
	p.Count, p.Sum, p.ZeroCount, p.ZeroThreshold = h.GetSampleCount(), new(h.GetSampleSum()), h.GetZeroCount(), h.GetZeroThreshold()
	p.Exemplars = exemplarsOf(m.known.news(0, 1, byTime(h.GetExemplars())...))
	p.Positive = &metricspb.ExponentialHistogramDataPoint_Buckets{}
	at, count, deltas := int32(0), int64(0), h.GetPositiveDelta()
	for i, span := range h.GetPositiveSpan() {
		if at += span.GetOffset(); i == 0 {
			p.Positive.Offset = at - 1
		}
		for range int(at-p.Positive.GetOffset()) - 1 - len(p.Positive.GetBucketCounts()) {
			p.Positive.BucketCounts = append(p.Positive.BucketCounts, 0)
		}
		for range span.GetLength() {
			count, deltas = count+deltas[0], deltas[1:]
			p.Positive.BucketCounts = append(p.Positive.BucketCounts, uint64(count))
			at++
		}
	}
	return p
}

func (m *metric) start() uint64 { return uint64(m.created()) * 1e6 }

func labelsOf(m *metric) []*commonpb.KeyValue {
	all := make([]*commonpb.KeyValue, 0, len(m.GetLabel()))
	for _, l := range m.GetLabel() {
		all = append(all, textOf(l.GetName(), l.GetValue()))
	}
	return all
}

func attributesOf(attributes map[string]string) (all []*commonpb.KeyValue) {
	for _, key := range slices.Sorted(maps.Keys(attributes)) {
		all = append(all, textOf(key, attributes[key]))
	}
	return all
}

func textOf(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

// exemplarsOf has the ids where OTLP has them, and other labels as attributes.
func exemplarsOf(exemplars []*dto.Exemplar) (all []*metricspb.Exemplar) {
	for _, e := range exemplars {
		out := &metricspb.Exemplar{
			TimeUnixNano: uint64(e.GetTimestamp().AsTime().UnixNano()),
			Value:        &metricspb.Exemplar_AsDouble{AsDouble: e.GetValue()},
		}
		for _, l := range e.GetLabel() {
			id, err := hex.DecodeString(l.GetValue())
			switch {
			case err == nil && l.GetName() == "trace_id":
				out.TraceId = id
			case err == nil && l.GetName() == "span_id":
				out.SpanId = id
			default:
				out.FilteredAttributes = append(out.FilteredAttributes, textOf(l.GetName(), l.GetValue()))
			}
		}
		all = append(all, out)
	}
	return all
}
