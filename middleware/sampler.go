package middleware

import (
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/propagator"
)

// newSampler obeys OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG. Without
// them every trace is recorded unless its caller has decided otherwise.
func newSampler(cfg config, env *environment) sdktrace.Sampler {
	if cfg.sampler != nil {
		return cfg.sampler
	}
	switch env.choice("parentbased_always_on", []string{
		"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
	}, "OTEL_TRACES_SAMPLER") {
	case "always_on":
		return sdktrace.AlwaysSample()
	case "always_off":
		return sdktrace.NeverSample()
	case "traceidratio":
		return sdktrace.TraceIDRatioBased(samplerRatio(env))
	case "parentbased_always_off":
		return sdktrace.ParentBased(sdktrace.NeverSample())
	case "parentbased_traceidratio":
		return sdktrace.ParentBased(sdktrace.TraceIDRatioBased(samplerRatio(env)))
	}
	return sdktrace.ParentBased(sdktrace.AlwaysSample())
}

func samplerRatio(env *environment) float64 {
	const name = "OTEL_TRACES_SAMPLER_ARG"
	value := env.text(name)
	if value == "" {
		return 1
	}
	ratio, err := strconv.ParseFloat(value, 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) {
		env.ignore(name, value, "a number from 0 to 1")
		return 1
	}
	return ratio
}

// debugSampler records the request whose sender has asked for it by
// jaeger-debug-id, which is read only if OTEL_PROPAGATORS names jaeger, and
// leaves the rest to another.
type debugSampler struct{ sdktrace.Sampler }

// ShouldSample is as in sdktrace.Sampler.
func (s debugSampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	result := s.Sampler.ShouldSample(p)
	id := propagator.DebugID(p.ParentContext)
	// Spans within this process follow the first.
	if parent := trace.SpanContextFromContext(p.ParentContext); id != "" && (!parent.IsValid() || parent.IsRemote()) {
		result.Decision = sdktrace.RecordAndSample
		result.Attributes = append(slices.Clip(result.Attributes), attribute.String("jaeger-debug-id", id))
	}
	return result
}
