package derive

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func bounds() []float64 { return DefaultConfig().Buckets }

// official is client_golang's histogram of the same shape.
func official() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:                         "official",
		Buckets:                      bounds(),
		NativeHistogramBucketFactor:  1.1,
		NativeHistogramZeroThreshold: zeroThreshold,
	})
}

// TestHistogramIsTheOfficialOne gives the same durations to both.
func TestHistogramIsTheOfficialOne(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, next := range map[string]func(i int) float64{
		"one":       func(int) float64 { return 0.03 },
		"zero":      func(int) float64 { return 0 },
		"bounds":    func(i int) float64 { return bounds()[i%len(bounds())] },
		"powers":    func(i int) float64 { return math.Exp2(float64(i%100)/8 - 10) },
		"threshold": func(i int) float64 { return zeroThreshold * (1 + float64(i%3-1)/1e6) },
		"extremes":  func(i int) float64 { return []float64{1e-9, math.MaxUint64 / 1e9, 1}[i%3] },
		"sparse":    func(i int) float64 { return math.Exp2(float64(i%7*i%13) - 9) },
		"down":      func(i int) float64 { return 10 / float64(i+1) },
		"normal":    func(int) float64 { return math.Exp(random.NormFloat64() - 4) },
		"uniform":   func(int) float64 { return float64(random.Uint64N(1<<40)) / 1e9 },
	} {
		t.Run(name, func(t *testing.T) {
			scale, ours, theirs := newScale(DefaultConfig()), histogram{}, official()
			for i := range 1000 {
				v := next(i)
				ours.observe(scale, &exemplar{value: v}, 1, 1)
				theirs.Observe(v)
			}
			var m dto.Metric
			if err := theirs.Write(&m); err != nil {
				t.Fatal(err)
			}
			want, got := m.GetHistogram(), ours.write(scale, m.GetHistogram().GetCreatedTimestamp())
			// Theirs leaves the last bucket to the exposition, and has no exemplars here.
			got.Bucket, got.Exemplars = got.GetBucket()[:len(bounds())], nil
			for _, bucket := range got.GetBucket() {
				bucket.Exemplar = nil
			}
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNativeBucketsAreBounded(t *testing.T) {
	scale, h := newScale(DefaultConfig()), histogram{}
	for i := range 64 {
		for j := range 100 {
			h.observe(scale, &exemplar{value: float64(uint64(1)<<i) * (1 + float64(j)/100) / 1e9}, 1, 1)
		}
	}
	if n := len(h.native); n > 440 {
		t.Errorf("%d native buckets", n)
	}
}

func TestHistogramKeepsTheNewestExemplar(t *testing.T) {
	scale, h := newScale(DefaultConfig()), histogram{}
	for i := range byte(5) {
		h.observe(scale, &exemplar{trace: [16]byte{15: i}, span: [8]byte{7: i}, value: 0.03, nanos: int64(i)}, 1, 1)
	}
	h.observe(scale, &exemplar{trace: [16]byte{15: 9}, span: [8]byte{7: 9}, value: 100}, 1, 1)
	got := h.write(scale, timestamppb.Now())
	if len(got.GetExemplars()) != 2 || len(got.GetBucket()) != len(bounds())+1 {
		t.Fatalf("%v", got)
	}
	want := &dto.Exemplar{
		Label:     []*dto.LabelPair{label("span_id", "0000000000000004"), label("trace_id", "00000000000000000000000000000004")},
		Value:     new(0.03),
		Timestamp: &timestamppb.Timestamp{Nanos: 4},
	}
	if diff := cmp.Diff(want, got.GetBucket()[5].GetExemplar(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if got.GetBucket()[len(bounds())].GetExemplar().GetValue() != 100 {
		t.Error("no exemplar beyond the last bound")
	}
}
