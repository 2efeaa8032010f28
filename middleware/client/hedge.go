package client

import (
	"net/http"
	"slices"
	"time"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// result is what an attempt has come to that ran beside another.
type result struct {
	attempt  *attempt
	response *http.Response
	err      error
	cause    any // of a panic
}

// good says that nobody would want another answer.
func (r result) good() bool { return r.cause == nil && r.err == nil && passing(r.response, nil) == "" }

// mayHedge says whether the attempt that was just begun may get another beside
// it: the first of a call may, and only if the request can be repeated.
func (c *call) mayHedge() bool {
	return c.client.hedgeAfter > 0 && c.attempts == 1 && replayable(c.request) && c.client.retry.Idempotent(c.request)
}

// hedged makes an attempt, and when it takes too long another, of which the one
// counts that answers first. It returns when both have ended.
func (c *call) hedged(first *attempt, done func(error)) (*attempt, *http.Response, error) {
	results := make(chan result, 2)
	go c.report(first, done, results)
	timer := time.NewTimer(c.client.hedgeAfter)
	defer timer.Stop()
	select {
	case r := <-results:
		return c.settle(r)
	case <-timer.C:
	}
	second, secondDone := c.spare()
	if second == nil {
		return c.settle(<-results)
	}
	go c.report(second, secondDone, results)
	winner := <-results
	loser := first
	if winner.attempt == first {
		loser = second
	}
	if winner.good() {
		loser.lost.Store(true)
		loser.cancel()
	}
	other := <-results
	// A panic goes on, and the last of two failures is the one that counts.
	if other.cause != nil || !winner.good() && winner.cause == nil {
		winner, other = other, winner
	}
	c.countHedge(winner, second)
	c.drop(other)
	return c.settle(winner)
}

// report runs on a goroutine of its own, which hedged waits for.
func (c *call) report(a *attempt, done func(error), results chan<- result) {
	r := result{attempt: a}
	defer func() {
		r.cause = recover()
		results <- r
	}()
	r.response, r.err = c.perform(a, done) //nolint:bodyclose // hedged hands it on, or drops it
}

// spare is an attempt at an instance that the call has not tried, if there is
// one and the budget allows it.
func (c *call) spare() (*attempt, func(error)) {
	all, err := c.service.instances(c.ctx)
	if err != nil || c.ctx.Err() != nil {
		return nil, nil
	}
	untried := slices.DeleteFunc(slices.Clone(all), func(e *Endpoint) bool { return slices.Contains(c.tried, e) })
	if len(untried) == 0 {
		return nil, nil
	}
	if !c.service.budget.Take() {
		c.client.metrics.exhausted.WithLabelValues(c.service.name).Inc()
		return nil, nil
	}
	e, done := c.allowed(untried)
	if e == nil {
		return nil, nil
	}
	c.event(semconv.EventHedge, semconv.ClientInstance.String(e.address), semconv.ClientDelay.Float64(c.client.hedgeAfter.Seconds()))
	a := c.newAttempt(e)
	a.hedge = true
	return a, done
}

// settle tells the call's span of what the attempt has done to its breaker, and
// lets a panic go on where the caller sees it.
func (c *call) settle(r result) (*attempt, *http.Response, error) {
	if r.cause != nil {
		panic(r.cause)
	}
	r.attempt.endpoint.breaker.Tell(c.span)
	return r.attempt, r.response, r.err
}

// drop ends an attempt whose answer nobody wants. One that has panicked has
// ended itself.
func (c *call) drop(r result) {
	r.attempt.endpoint.breaker.Tell(c.span)
	if r.cause != nil {
		return
	}
	r.attempt.cancel()
	if r.response != nil && r.response.Body != nil {
		_ = r.response.Body.Close()
	}
	r.attempt.release()
}

func (c *call) countHedge(winner result, second *attempt) {
	outcome := "lost"
	if winner.attempt == second && winner.good() {
		outcome = "won"
	}
	c.client.metrics.hedges.WithLabelValues(c.service.name, outcome).Inc()
}
