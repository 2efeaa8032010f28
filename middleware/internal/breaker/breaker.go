// Package breaker is what the clients share of circuit breakers: when they
// open, and how that is seen. sony/gobreaker does the rest.
package breaker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// Settings say when a circuit breaker opens, and for how long. The zero value is
// none.
type Settings struct {
	// Failures in a row open it; 0 does not regard them.
	Failures uint32
	// Ratio is the share of failures, of at least MinRequests within Window,
	// that opens it; 0 does not regard it.
	Ratio       float64
	MinRequests uint32
	Window      time.Duration
	// OpenFor is how long it lets nothing through. Then it is half open.
	OpenFor time.Duration
	// Probes is how many requests it lets through when half open. They must all
	// succeed to close it; the first failure opens it again.
	Probes uint32
}

// Default opens for 5 seconds, after 5 failures in a row, or when half of 20
// requests or more have failed within 10 seconds. One request tries whether
// all is well again.
func Default() Settings {
	return Settings{Failures: 5, Ratio: 0.5, MinRequests: 20, Window: 10 * time.Second, OpenFor: 5 * time.Second, Probes: 1}
}

func (s Settings) enabled() bool { return s != Settings{} }

// Validate tells what makes no sense.
func (s Settings) Validate() error {
	switch {
	case !s.enabled():
		return nil
	case s.Failures == 0 && s.Ratio == 0:
		return errors.New("client: a circuit breaker that nothing opens")
	case s.Ratio < 0 || s.Ratio > 1:
		return errors.New("client: a circuit breaker's ratio is not between 0 and 1")
	case s.OpenFor <= 0 || s.Ratio > 0 && s.Window < time.Second:
		return errors.New("client: a circuit breaker needs OpenFor and a window of a second or more")
	}
	return nil
}

// opens is asked after each failure.
func (s Settings) opens(counts gobreaker.Counts) bool {
	if s.Failures > 0 && counts.ConsecutiveFailures >= s.Failures {
		return true
	}
	seen := counts.TotalSuccesses + counts.TotalFailures
	return s.Ratio > 0 && seen >= max(s.MinRequests, 1) && float64(counts.TotalFailures) >= s.Ratio*float64(seen)
}

// Transition is a change of a circuit breaker's state.
type Transition struct {
	Name     string
	From, To gobreaker.State
}

// Breaker is one circuit breaker; nil lets everything through. It is safe for
// concurrent use.
type Breaker struct {
	twoStep *gobreaker.TwoStepCircuitBreaker[struct{}]
	// changed is told of each transition, with the lock of the library held.
	changed func(Transition)

	mu sync.Mutex
	// untold are the transitions that no call's span has yet.
	untold []Transition
}

// rollingPeriods are the parts of the window that are forgotten one at a time.
const rollingPeriods = 10

// New makes a breaker, or nil if the settings are none. What is told to be
// context.Canceled counts neither as a failure nor as a success.
func New(s Settings, name string, changed func(Transition)) *Breaker {
	if !s.enabled() {
		return nil
	}
	b := &Breaker{changed: changed}
	b.twoStep = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name: name, MaxRequests: s.Probes, Interval: s.Window, BucketPeriod: s.Window / rollingPeriods, Timeout: s.OpenFor,
		ReadyToTrip:   s.opens,
		OnStateChange: b.note,
		IsExcluded:    func(err error) bool { return errors.Is(err, context.Canceled) },
	})
	return b
}

func (b *Breaker) note(name string, from, to gobreaker.State) {
	t := Transition{name, from, to}
	b.changed(t)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.untold = append(b.untold, t)
}

// Allow gives whom to tell how the request went, or false if it may not be
// made.
func (b *Breaker) Allow() (done func(error), allowed bool) {
	if b == nil {
		return func(error) {}, true
	}
	done, err := b.twoStep.Allow()
	return done, err == nil
}

// Open says whether it lets nothing through.
func (b *Breaker) Open() bool { return b != nil && b.twoStep.State() == gobreaker.StateOpen }

// Tell adds the transitions to a span; each is told once, to the call that was
// there.
func (b *Breaker) Tell(span trace.Span) {
	if b == nil {
		return
	}
	b.mu.Lock()
	told := b.untold
	b.untold = nil
	b.mu.Unlock()
	if !span.IsRecording() {
		return
	}
	for _, t := range told {
		span.AddEvent(semconv.EventBreakerTransition, trace.WithAttributes(append(instance(t.Name),
			semconv.BreakerFrom.String(t.From.String()), semconv.BreakerTo.String(t.To.String()))...))
	}
}

// Rejected adds to a span that its call was not let through.
func Rejected(span trace.Span, name string) {
	if span.IsRecording() {
		span.AddEvent(semconv.EventBreakerRejection, trace.WithAttributes(instance(name)...))
	}
}

// instance is empty for a breaker of a service as a whole.
func instance(name string) []attribute.KeyValue {
	if name == "" {
		return nil
	}
	return []attribute.KeyValue{semconv.ClientInstance.String(name)}
}
