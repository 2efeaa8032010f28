// Package strategy samples traces by Jaeger's strategies: a share of them, so
// many in a second, or a share for each operation; and asks a server for them
// over HTTP, as Jaeger's clients do.
package strategy

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// answer is a server's, as Jaeger's agents and collectors give it (api_v2,
// SamplingStrategyResponse). What kind it is stands there, too, as a word or as
// a number; what is in it says as much.
type answer struct {
	Probabilistic *share      `json:"probabilisticSampling"`
	RateLimiting  *limit      `json:"rateLimitingSampling"`
	Operations    *operations `json:"operationSampling"`
}

type share struct {
	Rate float64 `json:"samplingRate"`
}

type limit struct {
	PerSecond float64 `json:"maxTracesPerSecond"`
}

type operations struct {
	Share float64 `json:"defaultSamplingProbability"`
	// Least is how many traces of an operation there are in a second at least.
	Least    float64     `json:"defaultLowerBoundTracesPerSecond"`
	Strategy []operation `json:"perOperationStrategies"`
}

type operation struct {
	Name          string `json:"operation"`
	Probabilistic share  `json:"probabilisticSampling"`
}

// Parse makes the sampler of a server's answer.
func Parse(text []byte) (sdktrace.Sampler, error) {
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return nil, fmt.Errorf("read sampling strategy: %w", err)
	}
	if err := a.validate(); err != nil {
		return nil, err
	}
	switch {
	case a.Operations != nil:
		return newByOperation(*a.Operations), nil
	case a.Probabilistic != nil:
		return Share(a.Probabilistic.Rate), nil
	default:
		return RateLimiting(a.RateLimiting.PerSecond), nil
	}
}

func (a answer) validate() error {
	var shares, limits []float64
	switch {
	case a.Operations != nil:
		shares, limits = append(shares, a.Operations.Share), append(limits, a.Operations.Least)
		for _, o := range a.Operations.Strategy {
			shares = append(shares, o.Probabilistic.Rate)
		}
	case a.Probabilistic != nil:
		shares = append(shares, a.Probabilistic.Rate)
	case a.RateLimiting != nil:
		limits = append(limits, a.RateLimiting.PerSecond)
	default:
		return errors.New("sampling strategy is of no kind that is known")
	}
	for _, s := range shares {
		if s < 0 || s > 1 {
			return fmt.Errorf("sampling strategy has a share of %v, want 0 to 1", s)
		}
	}
	for _, l := range limits {
		if l < 0 || math.IsInf(l, 0) {
			return fmt.Errorf("sampling strategy has %v traces in a second", l)
		}
	}
	return nil
}
