package middleware

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/propagator"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
	"github.com/waybill-dev/waybill/middleware/internal/strategy"
)

// The words of OTEL_TRACES_SAMPLER, each of which may have parentBased before
// it. The last one is not OpenTelemetry's, but Jaeger's clients have it.
const (
	samplerOn           = "always_on"
	samplerOff          = "always_off"
	samplerShare        = "traceidratio"
	samplerRemote       = "jaeger_remote"
	samplerRateLimiting = "ratelimiting"

	parentBased = "parentbased_"
)

// newSampler obeys OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG. Without
// them every trace is recorded unless its caller has decided otherwise. A remote
// is to be started; without one it is nil.
func (p plan) newSampler(cfg config, env *environment) (sdktrace.Sampler, *strategy.Remote) {
	if cfg.sampler != nil {
		return cfg.sampler, nil
	}
	words := []string{samplerOn, samplerOff, samplerShare, samplerRemote, samplerRateLimiting}
	for _, word := range words {
		words = append(words, parentBased+word)
	}
	word, follows := strings.CutPrefix(env.choice(parentBased+samplerOn, words, "OTEL_TRACES_SAMPLER"), parentBased)
	var sampler sdktrace.Sampler
	var remote *strategy.Remote
	switch word {
	case samplerOff:
		sampler = sdktrace.NeverSample()
	case samplerShare:
		sampler = sdktrace.TraceIDRatioBased(samplerRatio(env))
	case samplerRemote:
		remote = strategy.New(p.remoteConfig(env))
		sampler = remote
	case samplerRateLimiting:
		sampler = newRateLimiting(env)
	default:
		sampler = sdktrace.AlwaysSample()
	}
	if follows {
		sampler = sdktrace.ParentBased(sampler)
	}
	return sampler, remote
}

const samplerArg = "OTEL_TRACES_SAMPLER_ARG"

// newRateLimiting takes how many traces there may be in a second. Without a
// number it can limit nothing.
func newRateLimiting(env *environment) sdktrace.Sampler {
	value := env.text(samplerArg)
	perSecond, err := strconv.ParseFloat(value, 64)
	if err != nil || !(perSecond >= 0 && perSecond <= math.MaxInt32) {
		env.ignore(samplerArg, value, "how many traces there may be in a second")
		return sdktrace.AlwaysSample()
	}
	return strategy.RateLimiting(perSecond)
}

// remoteConfig reads endpoint=http://host:5778/sampling, pollingIntervalMs=60000
// and initialSamplingRate=0.001, which are also what there is without them.
func (p plan) remoteConfig(env *environment) strategy.Config {
	service, _ := p.resource.Set().Value(semconv.ServiceName)
	cfg := strategy.Config{
		Endpoint: "http://127.0.0.1:5778/sampling", Service: service.AsString(),
		Interval: time.Minute, Initial: 0.001, Changed: p.tellOfStrategies,
	}
	for _, part := range env.list(samplerArg, "") {
		key, value, _ := strings.Cut(part, "=")
		switch key, value = strings.TrimSpace(key), strings.TrimSpace(value); key {
		case "":
		case "endpoint":
			if at, err := url.Parse(value); err != nil || at.Host == "" {
				env.warn(errors.New(samplerArg + ": the endpoint is no URL that begins with http:// or https://"))
			} else {
				cfg.Endpoint = value
			}
		case "pollingIntervalMs":
			if n, err := strconv.ParseInt(value, 10, 32); err != nil || n <= 0 {
				env.ignore(samplerArg, part, "a number of milliseconds above 0")
			} else {
				cfg.Interval = time.Duration(n) * time.Millisecond
			}
		case "initialSamplingRate":
			if rate, err := strconv.ParseFloat(value, 64); err != nil || !(rate >= 0 && rate <= 1) {
				env.ignore(samplerArg, part, "a number from 0 to 1")
			} else {
				cfg.Initial = rate
			}
		default:
			env.ignore(samplerArg, key, "endpoint, pollingIntervalMs or initialSamplingRate")
		}
	}
	return cfg
}

// tellOfStrategies says in the log that there are none, and that there are again.
func (p plan) tellOfStrategies(err error) {
	if err != nil {
		p.local.LogAttrs(context.Background(), slog.LevelWarn, "sampling strategy can't be asked for, the last one holds", slog.Any("error", err))
		return
	}
	p.local.LogAttrs(context.Background(), slog.LevelInfo, "sampling strategy is asked for again")
}

func samplerRatio(env *environment) float64 {
	value := env.text(samplerArg)
	if value == "" {
		return 1
	}
	ratio, err := strconv.ParseFloat(value, 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) {
		env.ignore(samplerArg, value, "a number from 0 to 1")
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
