package push

import (
	"time"

	prompb "buf.build/gen/go/prometheus/prometheus/protocolbuffers/go"
	dto "github.com/prometheus/client_model/go"
)

// request1 is a request of remote write 1.0. That has no creation times, and
// names the types of metrics apart from the series.
func request1(batch []series, at time.Time) *prompb.WriteRequest {
	request := &prompb.WriteRequest{Timeseries: make([]*prompb.TimeSeries, len(batch))}
	described := map[string]bool{}
	for i := range batch {
		s := &batch[i]
		if family := s.metric.family; !described[family.GetName()] {
			described[family.GetName()] = true
			request.Metadata = append(request.Metadata, &prompb.MetricMetadata{
				Type: type1(family.GetType()), MetricFamilyName: family.GetName(), Help: family.GetHelp(), Unit: unitOf(family),
			})
		}
		ts := &prompb.TimeSeries{Labels: labels1(s.labels)}
		if s.histogram != nil {
			ts.Histograms = []*prompb.Histogram{histogram1(s.histogram, at.UnixMilli())}
		} else {
			ts.Samples = []*prompb.Sample{{Value: s.value, Timestamp: at.UnixMilli()}}
		}
		for _, e := range s.exemplars {
			ts.Exemplars = append(ts.Exemplars, &prompb.Exemplar{
				Labels: labels1(pairs(e.GetLabel())), Value: e.GetValue(), Timestamp: millis(e.GetTimestamp()),
			})
		}
		request.Timeseries[i] = ts
	}
	return request
}

func labels1(labels []pair) []*prompb.Label {
	all := make([]*prompb.Label, len(labels))
	for i, l := range labels {
		all[i] = &prompb.Label{Name: l.name, Value: l.value}
	}
	return all
}

func type1(t dto.MetricType) prompb.MetricMetadata_MetricType {
	switch t {
	case dto.MetricType_COUNTER:
		return prompb.MetricMetadata_COUNTER
	case dto.MetricType_GAUGE:
		return prompb.MetricMetadata_GAUGE
	case dto.MetricType_HISTOGRAM:
		return prompb.MetricMetadata_HISTOGRAM
	}
	return prompb.MetricMetadata_UNKNOWN
}

func histogram1(h *dto.Histogram, at int64) *prompb.Histogram {
	out := &prompb.Histogram{
		Count:          &prompb.Histogram_CountInt{CountInt: h.GetSampleCount()},
		Sum:            h.GetSampleSum(),
		Schema:         h.GetSchema(),
		ZeroThreshold:  h.GetZeroThreshold(),
		ZeroCount:      &prompb.Histogram_ZeroCountInt{ZeroCountInt: h.GetZeroCount()},
		PositiveDeltas: h.GetPositiveDelta(),
		Timestamp:      at,
	}
	for _, span := range h.GetPositiveSpan() {
		out.PositiveSpans = append(out.PositiveSpans, &prompb.BucketSpan{Offset: span.GetOffset(), Length: span.GetLength()})
	}
	return out
}
