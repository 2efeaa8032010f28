package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/httpmw"
	"github.com/waybill-dev/waybill/middleware/internal/breaker"
	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/neterror"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// The values of error.type that are no status and no kind of neterror.
const (
	errorNoInstance  = "no_instance"
	errorCircuitOpen = "circuit_open"
)

// call is a request with all its attempts. It belongs to one goroutine, and
// then to the reader of its response.
type call struct {
	client  *Client
	service *service
	request *http.Request
	ctx     context.Context
	cancel  context.CancelFunc
	span    trace.Span
	began   time.Time
	method  string

	attempts int // that were made
	tried    []*Endpoint
	room     [3]*Endpoint                // for tried
	delays   *backoff.ExponentialBackOff // nil until the first retry
}

func (c *Client) begin(r *http.Request) *call {
	began := time.Now()
	made := &call{client: c, service: c.services.get(r.URL.Host), request: r, began: began, method: knownMethod(r.Method)}
	made.tried = made.room[:0]
	ctx := made.startSpan(r.Context())
	if c.timeout > 0 {
		made.ctx, made.cancel = context.WithDeadline(ctx, began.Add(c.timeout))
	} else {
		made.ctx, made.cancel = context.WithCancel(ctx)
	}
	made.service.budget.Call()
	return made
}

// startSpan starts the span of the call.
func (c *call) startSpan(ctx context.Context) context.Context {
	scratch := instrument.Borrow()
	defer scratch.Return()
	about := func() {
		scratch.Add(semconv.HTTPRequestMethod.String(c.method))
		scratch.Add(semconv.PeerService.String(c.service.name))
	}
	early := instrument.AttributesAtStart(c.client.source)
	if early {
		about()
	}
	name := c.client.names.Of(operation{c.method, c.service.name})
	ctx, c.span = c.client.tracer.Start(ctx, name, scratch.SpanOptions(internalKind)...)
	if c.span.IsRecording() && !early {
		about()
		c.span.SetAttributes(scratch.Attributes...)
	}
	return ctx
}

// operation is what the span of a call is named after.
type operation struct{ method, service string }

func (o operation) name() string { return o.method + " " + o.service }

var internalKind = trace.WithSpanKind(trace.SpanKindInternal)

// run makes attempts until one is to be the last.
func (c *call) run() (*http.Response, error) {
	before := error(nil) // why the attempt before has failed
	for {
		endpoint, done, err := c.choose()
		if err != nil {
			if c.attempts == 0 {
				closeBody(c.request)
			}
			return nil, errors.Join(err, before)
		}
		a, response, err := c.try(endpoint, done)
		delay, again := c.again(response, err)
		if !again {
			return c.last(a, response, err)
		}
		before = failure(response, err)
		a.discard(response)
		if err := wait(c.ctx, delay); err != nil {
			return nil, errors.Join(err, before)
		}
	}
}

// choose takes an endpoint that the call has not tried yet, if there is one
// whose breaker lets it through, and otherwise one that it has.
func (c *call) choose() (*Endpoint, func(error), error) {
	all, err := c.service.instances(c.ctx)
	if err != nil {
		c.client.metrics.unresolved.WithLabelValues(c.service.name).Inc()
		return nil, nil, err
	}
	if len(c.tried) == 0 {
		if e, done := c.allowed(all); e != nil {
			return e, done, nil
		}
		return nil, nil, fmt.Errorf("%w: %s", ErrCircuitOpen, c.service.name)
	}
	tried := func(e *Endpoint) bool { return slices.Contains(c.tried, e) }
	if e, done := c.allowed(slices.DeleteFunc(slices.Clone(all), tried)); e != nil {
		return e, done, nil
	}
	untried := func(e *Endpoint) bool { return !tried(e) }
	if e, done := c.allowed(slices.DeleteFunc(slices.Clone(all), untried)); e != nil {
		return e, done, nil
	}
	return nil, nil, fmt.Errorf("%w: %s", ErrCircuitOpen, c.service.name)
}

// allowed chooses among endpoints, which it does not change, and gives nil if
// no breaker lets the call through.
func (c *call) allowed(from []*Endpoint) (*Endpoint, func(error)) {
	for len(from) > 0 {
		e := c.service.balancer.Choose(from)
		done, allowed := e.breaker.Allow()
		e.breaker.Tell(c.span)
		if allowed {
			return e, done
		}
		c.client.metrics.breakers.Rejected(c.service.name)
		breaker.Rejected(c.span, e.address)
		from = slices.DeleteFunc(slices.Clone(from), func(other *Endpoint) bool { return other == e })
	}
	return nil, nil
}

func (c *call) event(name string, attributes ...attribute.KeyValue) {
	if c.span.IsRecording() {
		c.span.AddEvent(name, trace.WithAttributes(attributes...))
	}
}

// try makes one attempt, or a second one beside it if that takes too long, and
// tells the breakers how they went. The attempt is the caller's to release.
func (c *call) try(e *Endpoint, done func(error)) (*attempt, *http.Response, error) {
	a := c.newAttempt(e)
	if c.mayHedge() {
		return c.hedged(a, done)
	}
	response, err := c.perform(a, done)
	e.breaker.Tell(c.span)
	return a, response, err
}

func (c *call) newAttempt(e *Endpoint) *attempt {
	a := &attempt{endpoint: e, number: c.attempts}
	a.Context, a.cancel = context.WithCancel(c.ctx)
	e.inFlight.Add(1)
	c.attempts++
	c.tried = append(c.tried, e)
	return a
}

// perform makes the attempt. It changes nothing of the call, so that two may
// be made at once.
func (c *call) perform(a *attempt, done func(error)) (*http.Response, error) {
	answered := false
	defer func() {
		if !answered { // it has panicked
			done(errServer)
			a.release()
		}
	}()
	response, err := c.send(a)
	answered = true
	done(verdict(response, err, a.lost.Load() || c.abandoned() || c.client.aside(c.request)))
	return response, err
}

func (c *call) send(a *attempt) (*http.Response, error) {
	ctx := context.Context(a)
	if a.number > 0 {
		ctx = httpmw.WithResends(ctx, a.number)
	}
	r := c.request.WithContext(ctx)
	if a.number > 0 && c.request.GetBody != nil {
		content, err := c.request.GetBody()
		if err != nil {
			return nil, fmt.Errorf("send the body again: %w", err)
		}
		r.Body = content
	}
	if c.client.attemptTimeout <= 0 {
		return c.client.observed.RoundTrip(r)
	}
	timer := time.AfterFunc(c.client.attemptTimeout, a.timedOut)
	response, err := c.client.observed.RoundTrip(r)
	if !timer.Stop() && err == nil {
		_ = response.Body.Close() // it is canceled by now
		return nil, errLate{}
	}
	return response, err
}

// again says whether another attempt is to be made, and when. What keeps it
// from being made is an event of the call.
func (c *call) again(response *http.Response, err error) (delay time.Duration, again bool) {
	reason := passing(response, err)
	if reason == "" || c.client.retry.Attempts == 1 || c.ctx.Err() != nil {
		return 0, false
	}
	delay = c.delay(response)
	deadline, bounded := c.ctx.Deadline()
	switch {
	case c.attempts >= c.client.retry.Attempts:
		return 0, c.not("attempts")
	case !unseen(err) && !c.client.retry.Idempotent(c.request):
		return 0, c.not("not idempotent")
	case !replayable(c.request):
		return 0, c.not("body")
	case delay > c.client.retry.MaxDelay || bounded && time.Until(deadline) <= delay:
		return 0, c.not("time")
	case !c.service.budget.Take():
		c.client.metrics.exhausted.WithLabelValues(c.service.name).Inc()
		return 0, c.not("budget")
	}
	c.client.metrics.retries.WithLabelValues(c.service.name, reason).Inc()
	c.event(semconv.EventRetry, semconv.ClientReason.String(reason), semconv.ClientDelay.Float64(delay.Seconds()))
	return delay, true
}

// not notes why there is no further attempt, and is false.
func (c *call) not(why string) bool {
	c.event(semconv.EventNoRetry, semconv.ClientReason.String(why))
	return false
}

// delay is how long to wait before the next attempt.
func (c *call) delay(response *http.Response) time.Duration {
	if c.delays == nil {
		c.delays = c.client.retry.delays()
	}
	return max(min(c.delays.NextBackOff(), c.client.retry.MaxDelay), retryAfter(response))
}

// last hands out what the last attempt gave. The call ends with the response's
// body.
func (c *call) last(a *attempt, response *http.Response, err error) (*http.Response, error) {
	if err != nil {
		a.release()
		return nil, err
	}
	if bodyless(response) {
		a.release()
		c.end(response.StatusCode, nil)
		return response, nil
	}
	response.Body = newBody(c.ctx, response.Body, func(err error) {
		a.release()
		c.end(response.StatusCode, err)
	})
	return response, nil
}

// release frees what the attempt has.
func (a *attempt) release() {
	a.endpoint.inFlight.Add(-1)
	a.cancel()
}

// abandoned says that the caller itself has given up.
func (c *call) abandoned() bool { return errors.Is(c.request.Context().Err(), context.Canceled) }

// end records the call; status is 0 if there is no response.
func (c *call) end(status int, err error) {
	abandoned := c.abandoned()
	c.cancel()
	series := callSeries{service: c.service.name, method: c.method, status: status}
	if !abandoned || err == nil {
		series.errorType = errorType(status, err)
	}
	if c.span.IsRecording() {
		c.describe(series, err)
	}
	c.span.End()
	took := instrument.Took(c.span, c.began)
	c.client.metrics.duration.Observe(series, took, c.began.Add(took), c.span.SpanContext())
}

func (c *call) describe(series callSeries, err error) {
	scratch := instrument.Borrow()
	defer scratch.Return()
	scratch.Add(semconv.ClientAttempts.Int(c.attempts))
	if series.status != 0 {
		scratch.Add(semconv.HTTPResponseStatusCode.Int(series.status))
	}
	if series.errorType != "" {
		scratch.Add(semconv.ErrorType.String(series.errorType))
		message := ""
		if err != nil {
			message = err.Error()
		}
		c.span.SetStatus(codes.Error, message)
	}
	c.span.SetAttributes(scratch.Attributes...)
}

// errorType sorts what a call has come to.
func errorType(status int, err error) string {
	switch {
	case errors.Is(err, ErrCircuitOpen):
		return errorCircuitOpen
	case errors.Is(err, ErrNoInstance):
		return errorNoInstance
	case err != nil:
		return neterror.Type(err)
	case status >= http.StatusBadRequest:
		return strconv.Itoa(status)
	}
	return ""
}

// failure is an attempt's as an error.
func failure(response *http.Response, err error) error {
	if err == nil {
		return fmt.Errorf("attempt was answered %s", response.Status)
	}
	return err
}

// closeBody is what a round tripper owes the body of a request that it does
// not send.
func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = io.Closer(r.Body).Close()
	}
}

// knownMethod bounds the label, and the names of spans.
func knownMethod(method string) string {
	switch method {
	case "":
		return http.MethodGet
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodConnect, http.MethodOptions, http.MethodTrace, "QUERY":
		return method
	}
	return "_OTHER"
}
