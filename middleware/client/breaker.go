package client

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

// ErrCircuitOpen is what a call gives when the circuit breakers of all
// instances are open.
var ErrCircuitOpen = errors.New("circuit breakers of all instances are open")

// Breaker says when an instance is left alone. Each has a circuit breaker of
// its own, which counts as failures: errors, but not that the caller cancels,
// and responses from 500 on, but not 501. The zero value is none.
type Breaker struct {
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

// DefaultBreaker opens for 5 seconds, after 5 failures in a row, or when half
// of 20 requests or more have failed within 10 seconds. One request tries
// whether the instance is well again.
func DefaultBreaker() Breaker {
	return Breaker{Failures: 5, Ratio: 0.5, MinRequests: 20, Window: 10 * time.Second, OpenFor: 5 * time.Second, Probes: 1}
}

func (b Breaker) enabled() bool { return b != Breaker{} }

func (b Breaker) validate() error {
	switch {
	case !b.enabled():
		return nil
	case b.Failures == 0 && b.Ratio == 0:
		return errors.New("client: a circuit breaker that nothing opens")
	case b.Ratio < 0 || b.Ratio > 1:
		return errors.New("client: a circuit breaker's ratio is not between 0 and 1")
	case b.OpenFor <= 0 || b.Ratio > 0 && b.Window < time.Second:
		return errors.New("client: a circuit breaker needs OpenFor and a window of a second or more")
	}
	return nil
}

// opens is asked after each failure.
func (b Breaker) opens(counts gobreaker.Counts) bool {
	if b.Failures > 0 && counts.ConsecutiveFailures >= b.Failures {
		return true
	}
	seen := counts.TotalSuccesses + counts.TotalFailures
	return b.Ratio > 0 && seen >= max(b.MinRequests, 1) && float64(counts.TotalFailures) >= b.Ratio*float64(seen)
}

// transition is a change of a circuit breaker's state.
type transition struct {
	instance string
	from, to gobreaker.State
}

// breaker is the circuit breaker of one instance; nil lets everything through.
// It is safe for concurrent use.
type breaker struct {
	twoStep *gobreaker.TwoStepCircuitBreaker[struct{}]
	// changed is told of each transition, with the lock of the library held.
	changed func(transition)

	mu sync.Mutex
	// untold are the transitions that no call's span has yet.
	untold []transition
}

// rollingPeriods are the parts of the window that are forgotten one at a time.
const rollingPeriods = 10

func (b Breaker) breaker(instance string, changed func(transition)) *breaker {
	if !b.enabled() {
		return nil
	}
	made := &breaker{changed: changed}
	made.twoStep = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name: instance, MaxRequests: b.Probes, Interval: b.Window, BucketPeriod: b.Window / rollingPeriods, Timeout: b.OpenFor,
		ReadyToTrip:   b.opens,
		OnStateChange: made.note,
		IsExcluded:    func(err error) bool { return errors.Is(err, context.Canceled) },
	})
	return made
}

func (b *breaker) note(instance string, from, to gobreaker.State) {
	t := transition{instance, from, to}
	b.changed(t)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.untold = append(b.untold, t)
}

// transitions gives each transition once, to the call that was there.
func (b *breaker) transitions() []transition {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	told := b.untold
	b.untold = nil
	return told
}

// allow gives whom to tell how the request went, or false if it may not be
// made.
func (b *breaker) allow() (done func(error), allowed bool) {
	if b == nil {
		return func(error) {}, true
	}
	done, err := b.twoStep.Allow()
	return done, err == nil
}

// errServer stands for a response that tells of a failure.
var errServer = errors.New("server error")

// verdict is what a breaker hears of an attempt.
func verdict(response *http.Response, err error, abandoned bool) error {
	switch {
	case abandoned:
		return context.Canceled
	case err != nil:
		return err
	case response.StatusCode >= http.StatusInternalServerError && response.StatusCode != http.StatusNotImplemented:
		return errServer
	}
	return nil
}
