package jaeger

import (
	"fmt"
	"strconv"
)

// Strategy is the answer to a client that asks which share of its traces to
// sample, between 0 and 1: the JSON that Jaeger's agent and collector have sent
// since version 1.
func Strategy(probability float64) []byte { return strategy(`"PROBABILISTIC"`, probability) }

// LegacyStrategy is the same for clients older than that, which know enumerated
// values as numbers only.
func LegacyStrategy(probability float64) []byte { return strategy("0", probability) }

func strategy(kind string, probability float64) []byte {
	rate := strconv.FormatFloat(probability, 'f', -1, 64)
	return fmt.Appendf(nil, `{"strategyType":%s,"probabilisticSampling":{"samplingRate":%s}}`, kind, rate)
}
