package topology

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestDistributions draws from each, and looks at quantiles that are known.
func TestDistributions(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		yaml string
		want map[float64]time.Duration
	}{
		{"10ms", map[float64]time.Duration{0.5: 10 * ms}},
		{"{constant: 7ms}", map[float64]time.Duration{0: 7 * ms, 1: 7 * ms}},
		{"{lognormal: {median: 10ms, p99: 100ms}}", map[float64]time.Duration{0.5: 10 * ms, 0.99: 100 * ms}},
		{"{pareto: {min: 10ms, alpha: 2}}", map[float64]time.Duration{0: 10 * ms, 0.75: 20 * ms, 0.99: 100 * ms}},
		{"{pareto: {min: 10ms, alpha: 0.2}, max: 1s}", map[float64]time.Duration{1: time.Second}},
		{"{percentiles: {p50: 10ms, p90: 50ms, p99: 90ms}}", map[float64]time.Duration{0: 5 * ms, 0.5: 10 * ms, 0.9: 50 * ms, 0.99: 90 * ms, 1: 90 * ms}},
		{
			"{mixture: [{weight: 3, latency: {constant: 1ms}}, {weight: 1, latency: {constant: 1s}}]}",
			map[float64]time.Duration{0.7: ms, 0.8: time.Second},
		},
	} {
		parsed, err := Parse("t.yaml", []byte("services: {a: {operations: {x: {latency: "+test.yaml+"}}}}\ntraces: [{start: a/x}]"))
		if err != nil {
			t.Fatal(err)
		}
		latency, r := &parsed.Find("a/x").Latency, rand.New(rand.NewPCG(1, 2))
		drawn := make([]time.Duration, 50_000)
		for i := range drawn {
			drawn[i] = latency.Draw(r)
		}
		slices.Sort(drawn)
		for q, want := range test.want {
			got := drawn[int(q*float64(len(drawn)-1))]
			if float64(got) < 0.95*float64(want) || float64(got) > 1.05*float64(want) {
				t.Errorf("%s: quantile %v is %v, want %v", test.yaml, q, got, want)
			}
		}
	}
}
