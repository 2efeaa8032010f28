package jaeger

import (
	"encoding/json"
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Strategy is what a service's clients are told to sample of the traces that
// they begin.
type Strategy struct {
	// Probability is the share, 0 to 1, of operations that have none of their own.
	Probability float64
	// Operations are the shares of some, by span name.
	Operations map[string]float64
	// TracesPerSecond, where it is not zero, is what each client samples at most,
	// in place of a share.
	TracesPerSecond int32
}

// The types of strategies, as both forms have them.
const (
	probabilistic = "PROBABILISTIC"
	rateLimiting  = "RATE_LIMITING"
)

// The JSON that Jaeger's agent and collector have sent since version 1, after
// sampling.thrift and sampling.proto of its protocol, which name alike.
type (
	strategyJSON struct {
		StrategyType any            `json:"strategyType"`
		Share        *shareJSON     `json:"probabilisticSampling,omitempty"`
		Limit        *limitJSON     `json:"rateLimitingSampling,omitempty"`
		Operations   *operationJSON `json:"operationSampling,omitempty"`
	}
	shareJSON struct {
		Rate float64 `json:"samplingRate"`
	}
	limitJSON struct {
		TracesPerSecond int32 `json:"maxTracesPerSecond"`
	}
	operationJSON struct {
		Default    float64         `json:"defaultSamplingProbability"`
		LowerBound float64         `json:"defaultLowerBoundTracesPerSecond"`
		Each       []operationRate `json:"perOperationStrategies"`
	}
	operationRate struct {
		Operation string    `json:"operation"`
		Share     shareJSON `json:"probabilisticSampling"`
	}
)

// JSON is the strategy for Jaeger's clients since version 1, which know
// enumerated values by name.
func (s Strategy) JSON() []byte { return s.json(probabilistic, rateLimiting) }

// LegacyJSON is the same for clients older than that, which know them as
// numbers only.
func (s Strategy) LegacyJSON() []byte { return s.json(0, 1) }

func (s Strategy) json(share, limit any) []byte {
	out := strategyJSON{StrategyType: share, Share: &shareJSON{s.Probability}}
	if s.TracesPerSecond > 0 {
		out = strategyJSON{StrategyType: limit, Limit: &limitJSON{s.TracesPerSecond}}
	}
	if len(s.Operations) > 0 {
		out.Operations = &operationJSON{Default: s.Probability}
		for _, name := range slices.Sorted(maps.Keys(s.Operations)) {
			out.Operations.Each = append(out.Operations.Each, operationRate{name, shareJSON{s.Operations[name]}})
		}
	}
	body, err := json.Marshal(out)
	if err != nil {
		panic("BUG: a strategy that is no JSON: " + err.Error())
	}
	return body
}

// AppendProto appends the strategy as a SamplingStrategyResponse of
// jaeger.api_v2:
//
//	message SamplingStrategyResponse { SamplingStrategyType strategyType = 1; ProbabilisticSamplingStrategy probabilisticSampling = 2;
//	    RateLimitingSamplingStrategy rateLimitingSampling = 3; PerOperationSamplingStrategies operationSampling = 4; }
//	message ProbabilisticSamplingStrategy { double samplingRate = 1; }
//	message RateLimitingSamplingStrategy { int32 maxTracesPerSecond = 1; }
//	message PerOperationSamplingStrategies { double defaultSamplingProbability = 1; double defaultLowerBoundTracesPerSecond = 2;
//	    repeated OperationSamplingStrategy perOperationStrategies = 3; }
//	message OperationSamplingStrategy { string operation = 1; ProbabilisticSamplingStrategy probabilisticSampling = 2; }
//
// The type PROBABILISTIC is 0, which is not written.
func (s Strategy) AppendProto(dst []byte) []byte {
	if s.TracesPerSecond > 0 {
		dst = protowire.AppendVarint(protowire.AppendTag(dst, 1, protowire.VarintType), 1)
		limit := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(s.TracesPerSecond))
		return appendMessage(dst, 3, limit)
	}
	dst = appendMessage(dst, 2, appendDouble(nil, 1, s.Probability))
	if len(s.Operations) == 0 {
		return dst
	}
	operations := appendDouble(nil, 1, s.Probability)
	for _, name := range slices.Sorted(maps.Keys(s.Operations)) {
		one := appendMessage(nil, 1, []byte(name))
		operations = appendMessage(operations, 3, appendMessage(one, 2, appendDouble(nil, 1, s.Operations[name])))
	}
	return appendMessage(dst, 4, operations)
}

func appendDouble(dst []byte, num protowire.Number, value float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(dst, num, protowire.Fixed64Type), math.Float64bits(value))
}

func appendMessage(dst []byte, num protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, num, protowire.BytesType), message)
}

// ServiceAsked reads a SamplingStrategyParameters of jaeger.api_v2:
//
//	message SamplingStrategyParameters { string serviceName = 1; }
func ServiceAsked(message []byte) (service string, ok bool) {
	for len(message) > 0 {
		num, typ, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			return "", false
		}
		size := protowire.ConsumeFieldValue(num, typ, message[tag:])
		if size < 0 {
			return "", false
		}
		if num == 1 && typ == protowire.BytesType {
			content, _ := protowire.ConsumeBytes(message[tag:])
			service = string(content)
		}
		message = message[tag+size:]
	}
	return service, true
}
