package jaeger

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
)

func share(p float64) *api_v2.ProbabilisticSamplingStrategy {
	return &api_v2.ProbabilisticSamplingStrategy{SamplingRate: p}
}

// TestStrategies are what Jaeger's own decoders read.
func TestStrategies(t *testing.T) {
	for name, c := range map[string]struct {
		strategy     Strategy
		json, legacy string
		proto        api_v2.SamplingStrategyResponse // as Jaeger decodes it
	}{
		"a share": {
			Strategy{Probability: 0.001},
			`{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0.001}}`,
			`{"strategyType":0,"probabilisticSampling":{"samplingRate":0.001}}`,
			api_v2.SamplingStrategyResponse{ProbabilisticSampling: share(0.001)},
		},
		"nothing": {
			Strategy{},
			`{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0}}`,
			`{"strategyType":0,"probabilisticSampling":{"samplingRate":0}}`,
			api_v2.SamplingStrategyResponse{ProbabilisticSampling: share(0)},
		},
		"a limit": {
			Strategy{TracesPerSecond: 300},
			`{"strategyType":"RATE_LIMITING","rateLimitingSampling":{"maxTracesPerSecond":300}}`,
			`{"strategyType":1,"rateLimitingSampling":{"maxTracesPerSecond":300}}`,
			api_v2.SamplingStrategyResponse{
				StrategyType:         api_v2.SamplingStrategyType_RATE_LIMITING,
				RateLimitingSampling: &api_v2.RateLimitingSamplingStrategy{MaxTracesPerSecond: 300},
			},
		},
		"operations": {
			Strategy{Probability: 0.5, Operations: map[string]float64{"GET /": 1, `"a"`: 0}},
			`{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0.5},"operationSampling":{` +
				`"defaultSamplingProbability":0.5,"defaultLowerBoundTracesPerSecond":0,"perOperationStrategies":[` +
				`{"operation":"\"a\"","probabilisticSampling":{"samplingRate":0}},{"operation":"GET /","probabilisticSampling":{"samplingRate":1}}]}}`,
			`{"strategyType":0,"probabilisticSampling":{"samplingRate":0.5},"operationSampling":{` +
				`"defaultSamplingProbability":0.5,"defaultLowerBoundTracesPerSecond":0,"perOperationStrategies":[` +
				`{"operation":"\"a\"","probabilisticSampling":{"samplingRate":0}},{"operation":"GET /","probabilisticSampling":{"samplingRate":1}}]}}`,
			api_v2.SamplingStrategyResponse{
				ProbabilisticSampling: share(0.5),
				OperationSampling: &api_v2.PerOperationSamplingStrategies{
					DefaultSamplingProbability: 0.5,
					PerOperationStrategies: []*api_v2.OperationSamplingStrategy{
						{Operation: `"a"`, ProbabilisticSampling: share(0)}, {Operation: "GET /", ProbabilisticSampling: share(1)},
					},
				},
			},
		},
	} {
		if diff := cmp.Diff(c.json, string(c.strategy.JSON())); diff != "" {
			t.Errorf("%s, JSON:\n%s", name, diff)
		}
		if diff := cmp.Diff(c.legacy, string(c.strategy.LegacyJSON())); diff != "" {
			t.Errorf("%s, legacy JSON:\n%s", name, diff)
		}
		var got api_v2.SamplingStrategyResponse
		if err := got.Unmarshal(c.strategy.AppendProto(nil)); err != nil {
			t.Errorf("%s, protobuf: %v", name, err)
		} else if diff := cmp.Diff(&c.proto, &got); diff != "" {
			t.Errorf("%s, protobuf:\n%s", name, diff)
		}
	}
}

// FuzzServiceAsked reads what Jaeger's own decoder reads.
func FuzzServiceAsked(f *testing.F) {
	for _, service := range []string{"", "shop", "a service with a \"name\""} {
		question, err := (&api_v2.SamplingStrategyParameters{ServiceName: service}).Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(question)
	}
	f.Add([]byte("\x0a\x05shop"))
	f.Add([]byte{0x0b})
	f.Add([]byte("\x0a\x01a\x12\x01b\x0a\x01c"))
	f.Fuzz(func(t *testing.T, question []byte) {
		var want api_v2.SamplingStrategyParameters
		wrong := want.Unmarshal(question)
		got, ok := ServiceAsked(question)
		if wrong == nil && ok && got != want.ServiceName {
			t.Errorf("%q asks for %q; want %q", question, got, want.ServiceName)
		}
		if len(got) > len(question) {
			t.Errorf("%q asks for %q", question, got)
		}
	})
}

// TestSmallestShare is still a number above 0.
func TestSmallestShare(t *testing.T) {
	want := math.SmallestNonzeroFloat64
	var got api_v2.SamplingStrategyResponse
	if err := got.Unmarshal((Strategy{Probability: want}).AppendProto(nil)); err != nil || got.ProbabilisticSampling.SamplingRate != want {
		t.Errorf("%v, %v", got.ProbabilisticSampling, err)
	}
}
