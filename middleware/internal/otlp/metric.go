package otlp

import (
	"math"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// cumulative is AggregationTemporality's number.
const cumulative = 2

// Metrics encodes what a Prometheus registry gathers, so that Prometheus's
// OTLP translation gives each series the name and the labels that it has on
// /metrics. The middleware's own metrics go by their OpenTelemetry names. The
// others keep theirs, which the translation leaves alone: it adds neither a
// unit nor a _total that is there already.
type Metrics struct {
	Resource *resource.Resource
	Scope    instrumentation.Scope
	// Started is when the process began to count, for series whose family
	// does not say.
	Started time.Time
	Origins semconv.Origins
	// Native sends histograms that have both kinds of buckets with the native
	// ones; otherwise those that have classic ones are sent with these.
	Native bool
}

// Append encodes an ExportMetricsServiceRequest of the families as they were
// at that time, and says how many data points it has.
func (m Metrics) Append(dst []byte, families []*dto.MetricFamily, at time.Time) ([]byte, int) {
	points := 0
	dst = inResource(dst, m.Resource, func(dst []byte) []byte {
		return inScope(dst, m.Scope, func(dst []byte) []byte {
			for _, family := range families {
				dst = message(dst, 2, func(dst []byte) []byte { return m.family(dst, family, at) })
				points += len(family.GetMetric())
			}
			return dst
		})
	})
	return dst, points
}

// family writes a Metric:
//
//	string name = 1;  string description = 2;  string unit = 3;
//	oneof data { Gauge gauge = 5;  Sum sum = 7;  Histogram histogram = 9;  ExponentialHistogram … = 10;  Summary summary = 11; }
//
// Each kind of data has repeated data_points = 1; Sum and the histograms have
// aggregation_temporality = 2, Sum is_monotonic = 3.
func (m Metrics) family(dst []byte, family *dto.MetricFamily, at time.Time) []byte {
	f := familyEncoder{Metrics: m, at: nanoseconds(at)}
	name, unit := m.nameAndUnit(family)
	_, f.ours = m.Origins.Metric(family.GetName())
	dst = text(text(text(dst, 1, name), 2, valid(family.GetHelp())), 3, unit)
	switch family.GetType() {
	case dto.MetricType_COUNTER:
		return message(dst, 7, func(dst []byte) []byte {
			return varint(varint(f.points(dst, family, f.counter), 2, cumulative), 3, 1)
		})
	case dto.MetricType_SUMMARY:
		return message(dst, 11, func(dst []byte) []byte { return f.points(dst, family, f.summary) })
	case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM:
		if m.native(family) {
			return message(dst, 10, func(dst []byte) []byte {
				return varint(f.points(dst, family, f.exponential), 2, cumulative)
			})
		}
		return message(dst, 9, func(dst []byte) []byte {
			return varint(f.points(dst, family, f.histogram), 2, cumulative)
		})
	case dto.MetricType_GAUGE, dto.MetricType_UNTYPED:
	}
	return message(dst, 5, func(dst []byte) []byte { return f.points(dst, family, f.gauge) })
}

// nameAndUnit is the metric's OpenTelemetry name and unit.
func (m Metrics) nameAndUnit(family *dto.MetricFamily) (name, unit string) {
	if known, ours := m.Origins.Metric(family.GetName()); ours {
		return known.Name, known.Unit
	}
	name = family.GetName()
	switch base := strings.TrimSuffix(name, "_total"); {
	case strings.HasSuffix(base, "_seconds"):
		unit = "s"
	case strings.HasSuffix(base, "_bytes"):
		unit = "By"
	}
	return name, unit
}

// native says whether the family's histograms go with their native buckets.
func (m Metrics) native(family *dto.MetricFamily) bool {
	for _, metric := range family.GetMetric() {
		if h := metric.GetHistogram(); h.Schema == nil || len(h.GetBucket()) > 0 && !m.Native {
			return false
		}
	}
	return len(family.GetMetric()) > 0
}

type familyEncoder struct {
	Metrics
	at   uint64
	ours bool
}

func (f familyEncoder) points(dst []byte, family *dto.MetricFamily, one func([]byte, *dto.Metric) []byte) []byte {
	for _, metric := range family.GetMetric() {
		dst = message(dst, 1, func(dst []byte) []byte { return one(dst, metric) })
	}
	return dst
}

// labels leaves out those that are empty: to Prometheus they are not there.
func (f familyEncoder) labels(dst []byte, num protowire.Number, labels []*dto.LabelPair) []byte {
	for _, label := range labels {
		if label.GetValue() == "" {
			continue
		}
		key := label.GetName()
		if f.ours {
			key = f.Origins.Label(key)
		}
		dst = textAttribute(dst, num, key, label.GetValue())
	}
	return dst
}

// times writes start_time_unix_nano = 2 and time_unix_nano = 3.
func (f familyEncoder) times(dst []byte, created interface{ AsTime() time.Time }, known bool) []byte {
	start := f.Started
	if known {
		start = created.AsTime()
	}
	return fixed64(fixed64(dst, 2, nanoseconds(start)), 3, f.at)
}

// counter and gauge write a NumberDataPoint:
//
//	fixed64 start_time_unix_nano = 2;  fixed64 time_unix_nano = 3;  double as_double = 4;
//	repeated Exemplar exemplars = 5;  repeated KeyValue attributes = 7;
func (f familyEncoder) counter(dst []byte, metric *dto.Metric) []byte {
	counter := metric.GetCounter()
	dst = f.times(dst, counter.GetCreatedTimestamp(), counter.CreatedTimestamp != nil)
	dst = double(dst, 4, counter.GetValue())
	dst = f.exemplar(dst, 5, counter.GetExemplar())
	return f.labels(dst, 7, metric.GetLabel())
}

func (f familyEncoder) gauge(dst []byte, metric *dto.Metric) []byte {
	value := metric.GetGauge().GetValue()
	if metric.Untyped != nil {
		value = metric.GetUntyped().GetValue()
	}
	return f.labels(double(fixed64(dst, 3, f.at), 4, value), 7, metric.GetLabel())
}

// histogram writes a HistogramDataPoint; client_golang's buckets are
// cumulative, OTLP's are not, and have one more, up to infinity:
//
//	fixed64 start_time_unix_nano = 2;  fixed64 time_unix_nano = 3;  fixed64 count = 4;  double sum = 5;
//	repeated fixed64 bucket_counts = 6;  repeated double explicit_bounds = 7;
//	repeated Exemplar exemplars = 8;  repeated KeyValue attributes = 9;
func (f familyEncoder) histogram(dst []byte, metric *dto.Metric) []byte {
	h := metric.GetHistogram()
	var counts, bounds []uint64
	below := uint64(0)
	for _, bucket := range h.GetBucket() {
		if math.IsInf(bucket.GetUpperBound(), 1) {
			continue
		}
		bounds = append(bounds, math.Float64bits(bucket.GetUpperBound()))
		counts = append(counts, bucket.GetCumulativeCount()-below)
		below = bucket.GetCumulativeCount()
	}
	counts = append(counts, h.GetSampleCount()-below)
	dst = f.times(dst, h.GetCreatedTimestamp(), h.CreatedTimestamp != nil)
	dst = double(fixed64(dst, 4, h.GetSampleCount()), 5, h.GetSampleSum())
	dst = packed(packed(dst, 6, counts), 7, bounds)
	for _, bucket := range h.GetBucket() {
		dst = f.exemplar(dst, 8, bucket.GetExemplar())
	}
	return f.labels(dst, 9, metric.GetLabel())
}

// summary writes a SummaryDataPoint:
//
//	fixed64 start_time_unix_nano = 2;  fixed64 time_unix_nano = 3;  fixed64 count = 4;  double sum = 5;
//	repeated ValueAtQuantile { double quantile = 1;  double value = 2; } quantile_values = 6;
//	repeated KeyValue attributes = 7;
func (f familyEncoder) summary(dst []byte, metric *dto.Metric) []byte {
	s := metric.GetSummary()
	dst = f.times(dst, s.GetCreatedTimestamp(), s.CreatedTimestamp != nil)
	dst = double(fixed64(dst, 4, s.GetSampleCount()), 5, s.GetSampleSum())
	for _, q := range s.GetQuantile() {
		dst = message(dst, 6, func(dst []byte) []byte {
			return double(double(dst, 1, q.GetQuantile()), 2, q.GetValue())
		})
	}
	return f.labels(dst, 7, metric.GetLabel())
}

// exemplar writes an Exemplar, ids apart from the other labels:
//
//	fixed64 time_unix_nano = 2;  double as_double = 3;  bytes span_id = 4;  bytes trace_id = 5;
//	repeated KeyValue filtered_attributes = 7;
func (f familyEncoder) exemplar(dst []byte, num protowire.Number, e *dto.Exemplar) []byte {
	if e == nil {
		return dst
	}
	return message(dst, num, func(dst []byte) []byte {
		dst = double(fixed64(dst, 2, nanoseconds(e.GetTimestamp().AsTime())), 3, e.GetValue())
		for _, label := range e.GetLabel() {
			switch id := fromHex(label.GetValue()); {
			case label.GetName() == "span_id" && len(id) == 8:
				dst = bytes(dst, 4, id)
			case label.GetName() == "trace_id" && len(id) == 16:
				dst = bytes(dst, 5, id)
			default:
				dst = textAttribute(dst, 7, label.GetName(), label.GetValue())
			}
		}
		return dst
	})
}
