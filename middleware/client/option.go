package client

import (
	"errors"
	"net/http"
	"time"

	"github.com/waybill-dev/waybill/middleware/httpmw"
	"github.com/waybill-dev/waybill/middleware/internal/instrument"
)

// Telemetry is where spans and metrics go. *middleware.Telemetry is one.
type Telemetry = instrument.Source

// Option changes what New makes.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// config is what the options come to.
type config struct {
	source         Telemetry
	discovery      Discovery
	balancer       func() Balancer
	retry          Retry
	breaker        Breaker
	aside          func(*http.Request) bool
	changed        func(Transition)
	timeout        time.Duration
	attemptTimeout time.Duration
	hedgeAfter     time.Duration
	http           []httpmw.Option
}

func newConfig(opts []Option) (config, error) {
	cfg := config{
		source: instrument.Globals{}, discovery: Direct{}, balancer: RoundRobin, retry: DefaultRetry(), breaker: DefaultBreaker(),
		timeout: 30 * time.Second, attemptTimeout: 10 * time.Second,
		aside: func(*http.Request) bool { return false }, changed: func(Transition) {},
	}
	for _, opt := range opts {
		opt.apply(&cfg)
	}
	if cfg.retry.Idempotent == nil {
		cfg.retry.Idempotent = idempotent
	}
	if cfg.timeout < 0 || cfg.attemptTimeout < 0 || cfg.hedgeAfter < 0 {
		return cfg, errors.New("client: a timeout is negative")
	}
	return cfg, errors.Join(cfg.retry.validate(), cfg.breaker.Validate())
}

// WithTelemetry sends spans and metrics there. Otherwise they go to
// OpenTelemetry's global tracer provider and client_golang's default registry.
func WithTelemetry(telemetry Telemetry) Option {
	return optionFunc(func(c *config) { c.source = telemetry })
}

// WithDiscovery finds instances there; see Cached for one that asks over a
// network. Otherwise the host of each URL is the only instance of its service.
func WithDiscovery(discovery Discovery) Option {
	return optionFunc(func(c *config) { c.discovery = discovery })
}

// WithBalancer makes a balancer for each service: RoundRobin, which is what
// there is otherwise, LeastConnections, Weighted, or one of your own.
func WithBalancer(balancer func() Balancer) Option {
	return optionFunc(func(c *config) { c.balancer = balancer })
}

// WithRetry replaces DefaultRetry.
func WithRetry(retry Retry) Option {
	return optionFunc(func(c *config) { c.retry = retry })
}

// WithBreaker replaces DefaultBreaker; the zero Breaker is none.
func WithBreaker(breaker Breaker) Option {
	return optionFunc(func(c *config) { c.breaker = breaker })
}

// WithoutVerdict names requests from which the circuit breakers learn nothing,
// because they say nothing of what the others need: that a server tells what
// became of a payment does not mean that it can take one. A breaker that is open
// lets them through as little as others.
func WithoutVerdict(aside func(*http.Request) bool) Option {
	return optionFunc(func(c *config) { c.aside = aside })
}

// WithTransitions is told each time that a circuit breaker changes its state,
// for instance to log it. It is called before whatever has changed the state goes
// on, from many goroutines, so it has to be quick and must not call the client.
func WithTransitions(changed func(Transition)) Option {
	return optionFunc(func(c *config) { c.changed = changed })
}

// WithTimeout bounds a call as a whole: discovery, attempts, the waits between
// them, and the reading of the response's body. Otherwise it is 30 seconds; 0
// is no bound but that of the request's context.
func WithTimeout(timeout time.Duration) Option {
	return optionFunc(func(c *config) { c.timeout = timeout })
}

// WithAttemptTimeout bounds how long one attempt waits for the headers of its
// response. Otherwise it is 10 seconds; 0 is no bound.
func WithAttemptTimeout(timeout time.Duration) Option {
	return optionFunc(func(c *config) { c.attemptTimeout = timeout })
}

// WithHedging makes a second attempt at another instance when the first has had
// no answer for that long, and takes the answer that comes first; the other is
// given up. That cuts off the slowest of a service's answers at the price of a few
// more requests, so after should be what only few take longer than. It is done
// once for a call, only for requests that may be repeated, and out of the budget
// of retries. Otherwise it is not done.
func WithHedging(after time.Duration) Option {
	return optionFunc(func(c *config) { c.hedgeAfter = after })
}

// WithHTTP changes how attempts are observed, for instance to whom the trace is
// told.
func WithHTTP(opts ...httpmw.Option) Option {
	return optionFunc(func(c *config) { c.http = append(c.http, opts...) })
}

// idempotent requests may be repeated although a server may have acted on them
// (RFC 9110, section 9.2.2), and so may those that say so themselves.
func idempotent(r *http.Request) bool {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete, "QUERY":
		return true
	}
	return r.Header.Get("Idempotency-Key") != ""
}
