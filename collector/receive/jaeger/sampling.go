package jaeger

import (
	"fmt"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// Strategy is the answer to a client that asks which share of its traces to
// sample, between 0 and 1: the JSON that Jaeger's agent and collector have sent
// since version 1.
func Strategy(probability float64) []byte { return strategy(`"PROBABILISTIC"`, probability) }

// LegacyStrategy is the same for clients older than that, which know enumerated
// values as numbers only.
func LegacyStrategy(probability float64) []byte { return strategy("0", probability) }

// AppendStrategy appends the same as a SamplingStrategyResponse of jaeger.api_v2:
//
//	message SamplingStrategyResponse { SamplingStrategyType strategyType = 1; ProbabilisticSamplingStrategy probabilisticSampling = 2; … }
//	message ProbabilisticSamplingStrategy { double samplingRate = 1; }
//
// The type PROBABILISTIC is 0, which is not written.
func AppendStrategy(dst []byte, probability float64) []byte {
	rate := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), math.Float64bits(probability))
	return protowire.AppendBytes(protowire.AppendTag(dst, 2, protowire.BytesType), rate)
}

func strategy(kind string, probability float64) []byte {
	rate := strconv.FormatFloat(probability, 'f', -1, 64)
	return fmt.Appendf(nil, `{"strategyType":%s,"probabilisticSampling":{"samplingRate":%s}}`, kind, rate)
}
