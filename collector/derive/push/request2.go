package push

import (
	"cmp"
	"slices"
	"time"

	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
	dto "github.com/prometheus/client_model/go"
)

// request2 is a request of remote write 2.0.
func request2(batch []series, at time.Time) *writev2.Request {
	symbols := writev2.NewSymbolTable()
	refs := func(labels []pair) []uint32 {
		all := make([]uint32, 0, 2*len(labels))
		for _, l := range labels {
			all = append(all, symbols.Symbolize(l.name), symbols.Symbolize(l.value))
		}
		return all
	}
	request := &writev2.Request{Timeseries: make([]*writev2.TimeSeries, len(batch))}
	for i := range batch {
		s := &batch[i]
		ts := &writev2.TimeSeries{
			LabelsRefs: refs(s.labels),
			Metadata: &writev2.Metadata{
				Type: type2(s.metric.family.GetType()), HelpRef: symbols.Symbolize(s.metric.family.GetHelp()),
				UnitRef: symbols.Symbolize(unitOf(s.metric.family)),
			},
			CreatedTimestamp: s.metric.created(),
		}
		if s.histogram != nil {
			ts.Histograms = []*writev2.Histogram{histogram2(s.histogram, at.UnixMilli())}
		} else {
			ts.Samples = []*writev2.Sample{{Value: s.value, Timestamp: at.UnixMilli()}}
		}
		for _, e := range s.exemplars {
			ts.Exemplars = append(ts.Exemplars, &writev2.Exemplar{
				LabelsRefs: refs(pairs(e.GetLabel())), Value: e.GetValue(), Timestamp: millis(e.GetTimestamp()),
			})
		}
		request.Timeseries[i] = ts
	}
	request.Symbols = symbols.Symbols()
	return request
}

func type2(t dto.MetricType) writev2.Metadata_MetricType {
	switch t {
	case dto.MetricType_COUNTER:
		return writev2.Metadata_METRIC_TYPE_COUNTER
	case dto.MetricType_GAUGE:
		return writev2.Metadata_METRIC_TYPE_GAUGE
	case dto.MetricType_HISTOGRAM:
		return writev2.Metadata_METRIC_TYPE_HISTOGRAM
	}
	return writev2.Metadata_METRIC_TYPE_UNSPECIFIED
}

func histogram2(h *dto.Histogram, at int64) *writev2.Histogram {
	out := &writev2.Histogram{
		Count:          &writev2.Histogram_CountInt{CountInt: h.GetSampleCount()},
		Sum:            h.GetSampleSum(),
		Schema:         h.GetSchema(),
		ZeroThreshold:  h.GetZeroThreshold(),
		ZeroCount:      &writev2.Histogram_ZeroCountInt{ZeroCountInt: h.GetZeroCount()},
		PositiveDeltas: h.GetPositiveDelta(),
		Timestamp:      at,
	}
	for _, span := range h.GetPositiveSpan() {
		out.PositiveSpans = append(out.PositiveSpans, &writev2.BucketSpan{Offset: span.GetOffset(), Length: span.GetLength()})
	}
	return out
}

// pairs are an exemplar's labels, sorted by name as those of series are.
func pairs(labels []*dto.LabelPair) []pair {
	all := make([]pair, len(labels))
	for i, l := range labels {
		all[i] = pair{l.GetName(), l.GetValue()}
	}
	slices.SortFunc(all, func(a, b pair) int { return cmp.Compare(a.name, b.name) })
	return all
}
