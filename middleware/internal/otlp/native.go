package otlp

import (
	"encoding/hex"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protowire"
)

// exponential writes an ExponentialHistogramDataPoint of a native histogram:
//
//	repeated KeyValue attributes = 1;  fixed64 start_time_unix_nano = 2;  fixed64 time_unix_nano = 3;
//	fixed64 count = 4;  double sum = 5;  sint32 scale = 6;  fixed64 zero_count = 7;
//	Buckets positive = 8;  Buckets negative = 9;  repeated Exemplar exemplars = 11;  double zero_threshold = 14;
func (f familyEncoder) exponential(dst []byte, metric *dto.Metric) []byte {
	h := metric.GetHistogram()
	dst = f.labels(dst, 1, metric.GetLabel())
	dst = f.times(dst, h.GetCreatedTimestamp(), h.CreatedTimestamp != nil)
	dst = double(fixed64(dst, 4, h.GetSampleCount()), 5, h.GetSampleSum())
	dst = varint(dst, 6, protowire.EncodeZigZag(int64(h.GetSchema())))
	dst = fixed64(dst, 7, h.GetZeroCount())
	dst = buckets(dst, 8, h.GetPositiveSpan(), h.GetPositiveDelta())
	dst = buckets(dst, 9, h.GetNegativeSpan(), h.GetNegativeDelta())
	for _, e := range h.GetExemplars() {
		dst = f.exemplar(dst, 11, e)
	}
	return double(dst, 14, h.GetZeroThreshold())
}

// buckets writes Buckets. Prometheus tells the runs of buckets that are not
// empty, and each count as the difference from the one before; its bucket i
// ends where OTLP's bucket i begins.
//
//	sint32 offset = 1;  repeated uint64 bucket_counts = 2;
func buckets(dst []byte, num protowire.Number, spans []*dto.BucketSpan, deltas []int64) []byte {
	if len(spans) == 0 {
		return dst
	}
	var counts []byte
	count, next := int64(0), 0
	for i, span := range spans {
		if i > 0 {
			counts = append(counts, make([]byte, span.GetOffset())...)
		}
		for range span.GetLength() {
			count += deltas[next]
			next++
			counts = protowire.AppendVarint(counts, uint64(count))
		}
	}
	return message(dst, num, func(dst []byte) []byte {
		dst = varint(dst, 1, protowire.EncodeZigZag(int64(spans[0].GetOffset())-1))
		return bytes(dst, 2, counts)
	})
}

// fromHex is nil for what is no id.
func fromHex(s string) []byte {
	id, err := hex.DecodeString(s)
	if err != nil {
		return nil
	}
	return id
}
