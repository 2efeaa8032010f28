package derive

import (
	"math"
	"slices"
	"time"

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
	classic     []bucket // one more than bounds; none until something is seen
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

// scale finds buckets. It is made once and never changed.
type scale struct {
	bounds []float64 // the classic buckets' upper bounds in seconds
	native bool
	powers [perPower]float64
}

func newScale(cfg Config) scale {
	return scale{bounds: cfg.Buckets, native: cfg.NativeHistograms, powers: powers()}
}

func (s *scale) classicIndex(v float64) int {
	for i, bound := range s.bounds {
		if v <= bound {
			return i
		}
	}
	return len(s.bounds)
}

// nativeIndex is the i for which 2^((i-1)/8) < v <= 2^(i/8).
func (s *scale) nativeIndex(v float64) int {
	fraction, exponent := math.Frexp(v)
	i := 0
	for i < perPower && s.powers[i] < fraction {
		i++
	}
	return i + (exponent-1)*perPower
}

// observe takes in a span that counts for n, whose weight was so much exactly.
func (h *histogram) observe(s *scale, e exemplar, n uint64, weight float64) {
	if h.classic == nil {
		h.classic = make([]bucket, len(s.bounds)+1)
	}
	h.count += n
	h.sum += e.value * weight
	h.last = s.classicIndex(e.value)
	h.classic[h.last].count += n
	h.classic[h.last].exemplar = e
	switch {
	case !s.native:
	case e.value <= zeroThreshold:
		h.zero += n
	default:
		h.observeNative(s, e.value, n)
	}
}

func (h *histogram) observeNative(s *scale, v float64, n uint64) {
	i := s.nativeIndex(v)
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
	}
	sum := uint64(0)
	for i := range h.classic {
		b := &h.classic[i]
		sum += b.count
		bound := math.Inf(1)
		if i < len(s.bounds) {
			bound = s.bounds[i]
		}
		written := &dto.Bucket{CumulativeCount: new(sum), UpperBound: new(bound)}
		if b.count > 0 {
			written.Exemplar = b.exemplar.write()
		}
		out.Bucket = append(out.Bucket, written)
		if s.native && b.count > 0 {
			out.Exemplars = append(out.Exemplars, written.Exemplar)
		}
	}
	if s.native {
		out.Schema, out.ZeroThreshold, out.ZeroCount = new(int32(schema)), new(float64(zeroThreshold)), new(h.zero)
		out.PositiveSpan, out.PositiveDelta = h.spans()
	}
	return out
}

// newest is the last span that was seen; there is one once something was.
func (h *histogram) newest() *dto.Exemplar { return h.classic[h.last].exemplar.write() }

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

func (e *exemplar) write() *dto.Exemplar {
	return &dto.Exemplar{
		Label: []*dto.LabelPair{
			label("span_id", hexOf(e.span[:])),
			label("trace_id", hexOf(e.trace[:])),
		},
		Value:     new(e.value),
		Timestamp: timestamppb.New(time.Unix(0, e.nanos)),
	}
}
