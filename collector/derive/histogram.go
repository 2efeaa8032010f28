package derive

import (
	"encoding/hex"
	"math"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/waybill-dev/waybill/collector/wire"
)

// Each series counts durations twice: in classic buckets, which Jaeger's
// Monitor tab and older dashboards read, and in the buckets of a native
// histogram, which tell quantiles to within five per cent.
const (
	// schema 3 has 8 native buckets to a power of two.
	schema        = 3
	perPower      = 1 << schema
	zeroThreshold = 1.0 / (1 << 20) // about a microsecond
	// maxGap is how many empty native buckets are cheaper to send than the
	// beginning of another span of them.
	maxGap = 2
)

// powers are the upper bounds of the native buckets from 1/2 to 1, without 1:
// to the last bit the numbers that client_golang has.
func powers() [perPower]float64 {
	return [...]float64{
		0.5, 0.5452538663326288, 0.5946035575013605, 0.6484197773255048,
		0.7071067811865475, 0.7711054127039704, 0.8408964152537144, 0.9170040432046711,
	}
}

// exemplar is a span that fell into a bucket: the newest one did.
type exemplar struct {
	trace wire.TraceID
	span  wire.SpanID
	value float64
	nanos int64 // since 1970
}

// histogram counts durations in seconds. Its owner guards it.
type histogram struct {
	count, zero uint64
	sum         float64
	classic     []bucket // as many as bounds; none until something is seen
	last        int      // the bucket of the newest exemplar

	// native has the counts of the buckets from first on. It spans what was
	// seen: durations of spans, which are 64-bit nanoseconds, fall into 440
	// buckets at most.
	native []uint64
	first  int
}

// bucket is a classic one.
type bucket struct {
	count    uint64
	exemplar exemplar
}

// The native buckets that a duration may fall into: from a nanosecond to 2^64 of
// them.
const (
	lowestNative  = -30 * perPower
	highestNative = 35 * perPower
)

// scale finds buckets. It is made once and never changed.
type scale struct {
	bounds []float64 // the classic buckets' upper bounds in seconds, with that of the last one
	native bool
	powers [perPower + 1]uint64 // as significands, with one that nothing is above
	// classic is by native bucket the first classic one that may hold what it
	// holds, so that one search finds both.
	classic [highestNative - lowestNative + 1]uint8
	// What scrapes point to: the names of an exemplar's labels.
	spanID, traceID string
}

const (
	significandBits = 52
	exponentBias    = 1022 // of numbers from 1/2 to 1
)

func newScale(cfg Config) *scale {
	s := &scale{
		bounds: append(slices.Clone(cfg.Buckets), math.Inf(1)), native: cfg.NativeHistograms,
		spanID: "span_id", traceID: "trace_id",
	}
	for i, power := range powers() {
		s.powers[i] = math.Float64bits(power) & (1<<significandBits - 1)
	}
	s.powers[perPower] = 1 << significandBits
	for i := range s.classic {
		lower := math.Exp2(float64(i+lowestNative-1) / perPower)
		at := slices.IndexFunc(s.bounds, func(bound float64) bool { return bound >= lower })
		s.classic[i] = uint8(max(at-1, 0)) // What lower is rounded to may be a bound.
	}
	return s
}

// nativeIndex is the i for which 2^((i-1)/8) < v <= 2^(i/8). v is positive and
// no denormal.
func (s *scale) nativeIndex(v float64) int {
	bits := math.Float64bits(v)
	exponent, significand := int(bits>>significandBits)-exponentBias, bits&(1<<significandBits-1)
	if significand == 0 { // As the first of the powers.
		return (exponent - 1) * perPower
	}
	// Each eighth of the significands has one power in it; the last has none.
	i := int(significand>>(significandBits-schema)) + 1
	if significand > s.powers[i] {
		i++
	}
	return i + (exponent-1)*perPower
}

// classicIndex is the first bucket whose bound v does not exceed. v is at most
// what nativeIndex has said to be in that native bucket.
func (s *scale) classicIndex(v float64, native int) int {
	i := int(s.classic[min(max(native, lowestNative), highestNative)-lowestNative])
	for v > s.bounds[i] {
		i++
	}
	return i
}

// observe takes in a span that counts for n, whose weight was so much exactly.
func (h *histogram) observe(s *scale, e *exemplar, n uint64, weight float64) {
	if h.classic == nil {
		h.classic = make([]bucket, len(s.bounds))
	}
	h.count += n
	h.sum += e.value * weight
	native := lowestNative
	if e.value > 0 {
		native = s.nativeIndex(e.value)
	}
	h.last = s.classicIndex(e.value, native)
	bucket := &h.classic[h.last]
	bucket.count += n
	bucket.exemplar = *e
	switch {
	case !s.native:
	case e.value <= zeroThreshold:
		h.zero += n
	default:
		h.observeNative(native, n)
	}
}

func (h *histogram) observeNative(i int, n uint64) {
	switch {
	case len(h.native) == 0:
		h.native, h.first = append(h.native, 0), i
	case i < h.first:
		h.native = slices.Insert(h.native, 0, make([]uint64, h.first-i)...)
		h.first = i
	case i >= h.first+len(h.native):
		h.native = append(h.native, make([]uint64, i-h.first-len(h.native)+1)...)
	}
	h.native[i-h.first] += n
}

// write makes what Prometheus scrapes; nothing in it is shared with h.
func (h *histogram) write(s *scale, created *timestamppb.Timestamp) *dto.Histogram {
	out := &dto.Histogram{
		SampleCount:      new(h.count),
		SampleSum:        new(h.sum),
		CreatedTimestamp: created,
		Bucket:           make([]*dto.Bucket, len(h.classic)),
	}
	// A scrape writes thousands of buckets: they are allocated together.
	buckets, sums, sum := make([]dto.Bucket, len(h.classic)), make([]uint64, len(h.classic)), uint64(0)
	for i := range h.classic {
		b, written := &h.classic[i], &buckets[i]
		sum += b.count
		sums[i] = sum
		written.CumulativeCount, written.UpperBound = &sums[i], &s.bounds[i]
		if b.count > 0 {
			written.Exemplar = b.exemplar.write(s)
		}
		if s.native && b.count > 0 {
			out.Exemplars = append(out.Exemplars, written.Exemplar)
		}
		out.Bucket[i] = written
	}
	if s.native {
		out.Schema, out.ZeroThreshold, out.ZeroCount = new(int32(schema)), new(float64(zeroThreshold)), new(h.zero)
		out.PositiveSpan, out.PositiveDelta = h.spans()
	}
	return out
}

// newest is the last span that was seen; there is one once something was.
func (h *histogram) newest(s *scale) *dto.Exemplar { return h.classic[h.last].exemplar.write(s) }

// spans are the native buckets in the form of the exposition: stretches of
// buckets, and each count as the difference from the one before.
func (h *histogram) spans() (spans []*dto.BucketSpan, deltas []int64) {
	next, before := 0, int64(0)
	add := func(i int) {
		count := int64(h.native[i-h.first])
		deltas = append(deltas, count-before)
		before = count
	}
	for at, count := range h.native {
		if count == 0 {
			continue
		}
		i := at + h.first
		if n := len(spans); n > 0 && i-next <= maxGap {
			for ; next < i; next++ {
				add(next)
				*spans[n-1].Length++
			}
			*spans[n-1].Length++
		} else {
			spans = append(spans, &dto.BucketSpan{Offset: new(int32(i - next)), Length: new(uint32(1))})
		}
		add(i)
		next = i + 1
	}
	return spans, deltas
}

// write makes what Prometheus scrapes, in one piece of memory.
func (e *exemplar) write(s *scale) *dto.Exemplar {
	var digits [2 * (len(e.span) + len(e.trace))]byte
	hex.Encode(digits[:], e.span[:])
	hex.Encode(digits[2*len(e.span):], e.trace[:])
	ids := string(digits[:])
	out := &struct {
		exemplar    dto.Exemplar
		span, trace dto.LabelPair
		at          timestamppb.Timestamp
		labels      [2]*dto.LabelPair
		ids         [2]string
		value       float64
	}{value: e.value, ids: [2]string{ids[:2*len(e.span)], ids[2*len(e.span):]}}
	out.span.Name, out.span.Value = &s.spanID, &out.ids[0]
	out.trace.Name, out.trace.Value = &s.traceID, &out.ids[1]
	out.labels = [2]*dto.LabelPair{&out.span, &out.trace}
	out.at.Seconds, out.at.Nanos = e.nanos/1e9, int32(e.nanos%1e9)
	out.exemplar.Label, out.exemplar.Value, out.exemplar.Timestamp = out.labels[:], &out.value, &out.at
	return &out.exemplar
}
