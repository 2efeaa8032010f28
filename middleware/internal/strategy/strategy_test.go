package strategy

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// numbered is a root span of the name, whose trace has an id that shares of more
// than n/100 take.
func numbered(name string, n int) sdktrace.SamplingParameters {
	id := trace.TraceID{0: 1}
	binary.BigEndian.PutUint64(id[8:], uint64(2*n+1)*(math.MaxUint64/200))
	return sdktrace.SamplingParameters{TraceID: id, Name: name}
}

// sampled counts what is recorded of a hundred traces, and who decided.
func sampled(s sdktrace.Sampler, name string) (n int, by map[string]int) {
	by = map[string]int{}
	for i := range 100 {
		result := s.ShouldSample(numbered(name, i))
		if result.Decision != sdktrace.RecordAndSample {
			continue
		}
		n++
		set := attribute.NewSet(result.Attributes...)
		kind, _ := set.Value(samplerType)
		by[kind.AsString()]++
	}
	return n, by
}

// The answers of Jaeger's agent, of its collector, and of clients' first server,
// which has numbers for words.
func TestAnswersBecomeSamplers(t *testing.T) {
	for text, want := range map[string]int{
		`{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0.25}}`:                                   25,
		`{"strategyType":0,"probabilisticSampling":{"samplingRate":0}}`:                                                    0,
		`{"strategyType":"PROBABILISTIC","probabilisticSampling":{},"rateLimitingSampling":null}`:                          0,
		`{"strategyType":"RATE_LIMITING","rateLimitingSampling":{"maxTracesPerSecond":7}}`:                                 7,
		`{"strategyType":1,"rateLimitingSampling":{"maxTracesPerSecond":0}}`:                                               0,
		`{"rateLimitingSampling":{"maxTracesPerSecond":0.5}}`:                                                              1,
		`{"probabilisticSampling":{"samplingRate":1},"operationSampling":{"defaultSamplingProbability":0.5}}`:              50,
		`{"operationSampling":{"perOperationStrategies":[{"operation":"op","probabilisticSampling":{"samplingRate":1}}]}}`: 100,
		`{"operationSampling":{"defaultLowerBoundTracesPerSecond":3,"perOperationStrategies":[{"operation":"other"}]}}`:    3,
	} {
		synctest.Test(t, func(t *testing.T) {
			s, err := Parse([]byte(text))
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if got, by := sampled(s, "op"); got != want {
				t.Errorf("%s (%s): %d of 100 are sampled, want %d: %v", text, s.Description(), got, want, by)
			}
		})
	}
	for _, text := range []string{
		"", "{}", "[]", "null", `{"strategyType":"PROBABILISTIC"}`, `{"probabilisticSampling":{"samplingRate":1.5}}`,
		`{"probabilisticSampling":{"samplingRate":-1}}`, `{"rateLimitingSampling":{"maxTracesPerSecond":-1}}`, `{"operationSampling":7}`,
		`{"operationSampling":{"perOperationStrategies":[{"operation":"op","probabilisticSampling":{"samplingRate":2}}]}}`,
		`{"rateLimitingSampling":{"maxTracesPerSecond":1e999}}`,
	} {
		if s, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s is %s", text, s.Description())
		}
	}
}

func TestRateIsALimitOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := RateLimiting(4)
		for second := range 5 {
			if n, _ := sampled(s, "op"); n != 4 {
				t.Errorf("second %d: %d are sampled, want 4", second, n)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(time.Hour) // Nobody saves up more than a second's.
		if n, by := sampled(s, "op"); n != 4 || by["ratelimiting"] != 4 {
			t.Errorf("after an hour %d are sampled, want 4: %v", n, by)
		}
	})
}

// TestEachOperationHasItsLeast samples an operation that hardly ever comes, and
// does not count twice what the share has taken.
func TestEachOperationHasItsLeast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Parse([]byte(`{"operationSampling":{"defaultSamplingProbability":0,"defaultLowerBoundTracesPerSecond":2,
			"perOperationStrategies":[{"operation":"often","probabilisticSampling":{"samplingRate":0.1}}]}}`))
		if err != nil {
			t.Fatal(err)
		}
		if n, by := sampled(s, "often"); n != 10 || by["probabilistic"] != 10 {
			t.Errorf("often: %d, %v", n, by)
		}
		if n, by := sampled(s, "seldom"); n != 2 || by["lowerbound"] != 2 {
			t.Errorf("seldom: %d, %v", n, by)
		}
		for i := range maxOperations {
			s.ShouldSample(numbered(strings.Repeat("x", i), 99))
		}
		if n, _ := sampled(s, "one too many"); n != 0 {
			t.Errorf("an operation beyond the bound: %d", n)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0.25}}`))
	f.Add([]byte(`{"operationSampling":{"perOperationStrategies":[{"operation":"op","probabilisticSampling":{"samplingRate":1}}]}}`))
	f.Add([]byte(`{"rateLimitingSampling":{"maxTracesPerSecond":1e300}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		if n, _ := sampled(s, "op"); n > 100 {
			t.Errorf("%q: %d of 100", text, n)
		}
	})
}
