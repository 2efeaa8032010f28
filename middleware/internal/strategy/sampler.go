package strategy

import (
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// The attributes by which Jaeger's own sampling learns how a trace came about,
// on the spans that a decision was made for.
const (
	samplerType  = attribute.Key("jaeger.sampler.type")
	samplerParam = attribute.Key("jaeger.sampler.param")
)

func told(kind string, param float64) []attribute.KeyValue {
	return []attribute.KeyValue{samplerType.String(kind), samplerParam.Float64(param)}
}

// Share records a share of all traces, from 0 to 1, by their ids, so that all
// services agree.
func Share(rate float64) sdktrace.Sampler {
	return byShare{sdktrace.TraceIDRatioBased(rate), told("probabilistic", rate)}
}

type byShare struct {
	sdktrace.Sampler
	told []attribute.KeyValue
}

// ShouldSample implements sdktrace.Sampler.
func (s byShare) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	result := s.Sampler.ShouldSample(p)
	if result.Decision == sdktrace.RecordAndSample {
		result.Attributes = s.told
	}
	return result
}

// RateLimiting records so many traces in a second, and not more, but for those
// that were saved up within the second before. It is safe for concurrent use.
func RateLimiting(perSecond float64) sdktrace.Sampler {
	return newLimiter(perSecond, "ratelimiting")
}

// limiter is a bucket of traces that fills as time passes.
type limiter struct {
	perSecond, room float64
	told            []attribute.KeyValue

	mu     sync.Mutex
	filled float64
	at     time.Time
}

func newLimiter(perSecond float64, kind string) *limiter {
	room := max(perSecond, 1)
	l := &limiter{perSecond: perSecond, room: room, told: told(kind, perSecond), at: time.Now()}
	if perSecond > 0 {
		l.filled = room
	}
	return l
}

func (l *limiter) take() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.filled = min(l.room, l.filled+l.perSecond*now.Sub(l.at).Seconds())
	l.at = now
	if l.filled < 1 {
		return false
	}
	l.filled--
	return true
}

// ShouldSample implements sdktrace.Sampler.
func (l *limiter) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	result := sdktrace.SamplingResult{Decision: sdktrace.Drop, Tracestate: trace.SpanContextFromContext(p.ParentContext).TraceState()}
	if l.take() {
		result.Decision, result.Attributes = sdktrace.RecordAndSample, l.told
	}
	return result
}

// Description implements sdktrace.Sampler.
func (l *limiter) Description() string { return fmt.Sprintf("RateLimiting{%v}", l.perSecond) }

// maxOperations bounds the operations that have a strategy of their own.
const maxOperations = 256

// byOperation has a strategy for each name of a span.
type byOperation struct {
	others sdktrace.Sampler
	rate   float64 // of the others
	least  float64

	mu    sync.Mutex
	known map[string]guaranteed
}

// guaranteed is a share, and at least some traces.
type guaranteed struct {
	share sdktrace.Sampler
	least *limiter
}

func newByOperation(o operations) *byOperation {
	all := &byOperation{others: Share(o.Share), rate: o.Share, least: o.Least, known: map[string]guaranteed{}}
	for _, one := range o.Strategy[:min(len(o.Strategy), maxOperations)] {
		all.known[one.Name] = all.guaranteed(one.Probabilistic.Rate)
	}
	return all
}

func (b *byOperation) guaranteed(rate float64) guaranteed {
	return guaranteed{Share(rate), newLimiter(b.least, "lowerbound")}
}

// ShouldSample implements sdktrace.Sampler.
func (b *byOperation) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	of, known := b.of(p.Name)
	if !known {
		return b.others.ShouldSample(p)
	}
	result := of.share.ShouldSample(p)
	if result.Decision == sdktrace.RecordAndSample {
		of.least.take()
		return result
	}
	return of.least.ShouldSample(p)
}

func (b *byOperation) of(name string) (found guaranteed, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	found, known = b.known[name]
	if !known && len(b.known) < maxOperations {
		found, known = b.guaranteed(b.rate), true
		b.known[name] = found
	}
	return found, known
}

// Description implements sdktrace.Sampler.
func (b *byOperation) Description() string {
	return fmt.Sprintf("ByOperation{%s}", b.others.Description())
}
