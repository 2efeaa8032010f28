package tracegen

import (
	"slices"
	"testing"

	"github.com/waybill-dev/waybill/tracegen/topology"
)

// The realistic topology has the statistics that are published of large
// systems' traces (Meta, ATC 2023; Alibaba, SoCC 2021).
func TestRealisticIs(t *testing.T) {
	built, err := topology.Builtin("realistic")
	if err != nil {
		t.Fatal(err)
	}
	const n = 3000
	encoder := newEncoder(newProgram(built))
	single, durations := 0, []float64(nil)
	for i := range uint64(n) {
		encoder.trace.make(encoder.program, 77, i)
		if len(encoder.trace.spans) == 1 {
			single++
			durations = append(durations, float64(encoder.trace.end))
		}
	}
	s := NewSurvey(built, n, 77)
	for _, test := range []struct {
		name             string
		got, least, most float64
	}{
		{"share of traces with one span", float64(single) / n, 0.22, 0.28},
		{"median of spans", s.Spans.P50, 4, 10},
		{"most spans", s.Spans.Max, 1000, topology.MaxSpans},
		{"median of depth", s.Depth.P50, 2, 4},
		{"most depth", s.Depth.Max, 15, 19},
		{"median of services", s.Services.P50, 3, 3},
		{"90th percentile of services", s.Services.P90, 8, 12},
		{"median of fan-out", s.FanOut.P50, 3, 5},
		{"90th percentile of fan-out", s.FanOut.P90, 18, 28},
		{"99th percentile of fan-out", s.FanOut.P99, 110, 150},
		{"share of traces whose shape is another's", s.Shared, 0.72, 0.82},
		{"share of calls that are repeated", s.Repeated, 0.13, 0.19},
	} {
		if test.got < test.least || test.got > test.most {
			t.Errorf("%s is %v, want %v to %v", test.name, test.got, test.least, test.most)
		}
	}
	// Latencies have a tail: of one operation, which has no calls, the 99th
	// percentile is far from the median, and the most farther.
	slices.Sort(durations)
	if p50, p99, most := durations[len(durations)/2], durations[len(durations)*99/100], durations[len(durations)-1]; p99 < 8*p50 || most < 20*p50 {
		t.Errorf("latency: median %v, 99th percentile %v, most %v", p50, p99, most)
	}
	if popular, rare := built.Traces[0].Weight, built.Traces[95].Weight; popular < 90*rare || popular > 102*rare {
		t.Errorf("the most popular operation is called %v times as often as the least, want 96", popular/rare)
	}
}
