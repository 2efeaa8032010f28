// Package grpcclient is for gRPC what package client is for HTTP. gRPC brings
// balancing, retries with a budget, deadlines and health checks itself, but they
// are all off, and are turned on by a service config; a Config makes it, and adds
// what gRPC has not, a circuit breaker and hedging.
//
//	observe, err := grpcmw.DialOptions(grpcmw.WithTelemetry(telemetry))
//	…
//	calls, err := grpcclient.DefaultConfig("order.v1.OrderService/GetOrder").DialOptions()
//	…
//	conn, err := grpc.NewClient("dns:///order:9000", append(observe, calls...)...)
//
// With grpcmw each attempt is a span under that of the caller.
package grpcclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer/leastrequest"
	"google.golang.org/grpc/balancer/pickfirst"
	"google.golang.org/grpc/balancer/roundrobin"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/health" // asks servers whether they are well

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
)

// Balancer says which instance a call goes to. gRPC finds the instances itself,
// by the scheme of the target; use dns:/// to have all addresses of a name.
type Balancer string

// The balancers of gRPC.
const (
	RoundRobin    Balancer = roundrobin.Name
	LeastRequests Balancer = leastrequest.Name // the less busy of two at random
	PickFirst     Balancer = pickfirst.Name    // all calls to one, until it fails
)

// Config is what a client of a service does.
type Config struct {
	Balancer Balancer
	// Timeout bounds each call that has no earlier deadline, retries included.
	// 0 is no bound, which is not for streams that last.
	Timeout time.Duration
	// Idempotent are the methods that may be repeated although a server may
	// have acted on them, as package.Service/Method, or package.Service for all
	// of its methods. gRPC repeats others only when no server has seen them.
	Idempotent []string
	// Attempts is how often those are made at most, the first time included.
	// Delay is before the first repetition, and doubles with each up to
	// MaxDelay; each is a random part of it. A server may say otherwise.
	Attempts        int
	Delay, MaxDelay time.Duration
	// Statuses are those that are retried.
	Statuses []codes.Code
	// Burst and Budget keep retries from bringing down what is in trouble: each
	// failure takes a token of Burst away, each success brings Budget back, and
	// while half of them or more are gone nothing is repeated. Burst is at most
	// 1000; 0 is no bound.
	Burst  int
	Budget float64
	// Health leaves out the instances whose grpc.health.v1.Health says that
	// they do not serve HealthService, "" being the server as a whole. Servers
	// that have no such service count as well.
	Health        bool
	HealthService string
	// Breaker fails calls at once while the service does not answer any.
	Breaker Breaker
	// HedgeAfter makes a second attempt of a unary call of an idempotent method
	// when the first has had no answer for that long, and takes what comes first,
	// out of a budget of Burst calls at once and the share Budget of all. 0 does
	// not. Calls that ask for headers, trailers or the peer are made once.
	HedgeAfter time.Duration
	// Telemetry is where the metrics of Breaker and HedgeAfter go;
	// *middleware.Telemetry is one. Otherwise it is client_golang's default
	// registry. Events go to the span of the call's context.
	Telemetry Telemetry
}

// Telemetry is where metrics go.
type Telemetry = instrument.Source

// DefaultConfig calls all instances in turns, as long as they are well, within
// 30 seconds. It repeats calls of the idempotent methods that were answered
// UNAVAILABLE up to twice, as long as not more than one in five fails, and has
// DefaultBreaker around all.
func DefaultConfig(idempotent ...string) Config {
	return Config{
		Balancer: RoundRobin, Timeout: 30 * time.Second, Health: true,
		Idempotent: idempotent, Attempts: 3, Delay: 50 * time.Millisecond, MaxDelay: 10 * time.Second,
		Statuses: []codes.Code{codes.Unavailable}, Burst: 20, Budget: 0.2,
		Breaker: DefaultBreaker(),
	}
}

// DialOptions are what grpc.NewClient takes; several connections may share them,
// and have a circuit breaker each. They go behind those of grpcmw, whose spans then
// tell of calls that the breaker has not let through, too. An error is what a
// Config that makes no sense gives, or a name that is taken in the registry.
func (c Config) DialOptions() ([]grpc.DialOption, error) {
	text, err := c.ServiceConfig()
	if err != nil {
		return nil, err
	}
	// A service config by DNS would replace this one.
	options := []grpc.DialOption{grpc.WithDefaultServiceConfig(text), grpc.WithDisableServiceConfig()}
	if c.Attempts > 0 {
		options = append(options, grpc.WithMaxCallAttempts(c.Attempts))
	}
	guards, err := c.guards()
	return append(options, guards...), err
}

// guards are the interceptors, the breaker outside.
func (c Config) guards() (options []grpc.DialOption, err error) {
	telemetry := c.Telemetry
	if telemetry == nil {
		telemetry = instrument.Globals{}
	}
	if c.Breaker != (Breaker{}) {
		b, err := newBreakers(c.Breaker, telemetry)
		if err != nil {
			return nil, err
		}
		options = append(options, grpc.WithChainUnaryInterceptor(b.unary), grpc.WithChainStreamInterceptor(b.stream))
	}
	if c.HedgeAfter > 0 {
		h, err := newHedger(c, telemetry)
		if err != nil {
			return nil, err
		}
		options = append(options, grpc.WithChainUnaryInterceptor(h.unary))
	}
	return options, nil
}

// ServiceConfig is the Config in the form of
// https://github.com/grpc/grpc/blob/master/doc/service_config.md.
func (c Config) ServiceConfig() (string, error) {
	if err := c.validate(); err != nil {
		return "", err
	}
	config := serviceConfig{
		LoadBalancing: []map[string]struct{}{{string(c.Balancer): {}}},
		Methods:       []methodConfig{{Names: []methodName{{}}, Timeout: seconds(c.Timeout)}},
	}
	if len(c.Idempotent) > 0 && c.Attempts > 1 {
		retried := methodConfig{Timeout: seconds(c.Timeout), Retry: &retryPolicy{
			Attempts: c.Attempts, Delay: seconds(c.Delay), MaxDelay: seconds(c.MaxDelay), Multiplier: 2, Statuses: c.Statuses,
		}}
		for _, method := range c.Idempotent {
			service, name, _ := strings.Cut(method, "/")
			retried.Names = append(retried.Names, methodName{service, name})
		}
		config.Methods = append(config.Methods, retried)
		if c.Burst > 0 {
			config.Throttling = &throttling{c.Burst, c.Budget}
		}
	}
	if c.Health {
		config.Health = &health{c.HealthService}
	}
	text, err := json.Marshal(config)
	return string(text), err
}

func (c Config) validate() error {
	retries := len(c.Idempotent) > 0 && c.Attempts > 1
	switch {
	case !slices.Contains([]Balancer{RoundRobin, LeastRequests, PickFirst}, c.Balancer):
		return fmt.Errorf("grpcclient: no balancer is called %q", c.Balancer)
	case c.Health && c.Balancer == PickFirst:
		return errors.New("grpcclient: PickFirst asks no server whether it is well")
	case c.HedgeAfter < 0 || c.HedgeAfter > 0 && (len(c.Idempotent) == 0 || c.Burst <= 0):
		return errors.New("grpcclient: hedging needs a time, idempotent methods and a budget")
	case c.Timeout < 0:
		return errors.New("grpcclient: the timeout is negative")
	case retries && (c.Delay <= 0 || c.MaxDelay < c.Delay || len(c.Statuses) == 0):
		return errors.New("grpcclient: retries need a delay, one that is not longer than MaxDelay, and statuses")
	case retries && (c.Burst < 0 || c.Burst > 1000 || c.Burst > 0 && c.Budget <= 0):
		return errors.New("grpcclient: the budget of retries is not within 0 to 1000, or never comes back")
	}
	for _, method := range c.Idempotent {
		if service, _, _ := strings.Cut(method, "/"); service == "" {
			return fmt.Errorf("grpcclient: %q is no method, as in package.Service/Method", method)
		}
	}
	return c.Breaker.Validate()
}

// The parts of a service config, by their JSON.
type (
	serviceConfig struct {
		LoadBalancing []map[string]struct{} `json:"loadBalancingConfig"`
		Methods       []methodConfig        `json:"methodConfig"`
		Throttling    *throttling           `json:"retryThrottling,omitempty"`
		Health        *health               `json:"healthCheckConfig,omitempty"`
	}
	methodConfig struct {
		Names   []methodName `json:"name"`
		Timeout string       `json:"timeout,omitempty"`
		Retry   *retryPolicy `json:"retryPolicy,omitempty"`
	}
	methodName struct {
		Service string `json:"service,omitempty"`
		Method  string `json:"method,omitempty"`
	}
	retryPolicy struct {
		Attempts   int          `json:"maxAttempts"`
		Delay      string       `json:"initialBackoff"`
		MaxDelay   string       `json:"maxBackoff"`
		Multiplier float64      `json:"backoffMultiplier"`
		Statuses   []codes.Code `json:"retryableStatusCodes"`
	}
	throttling struct {
		Tokens int     `json:"maxTokens"`
		Ratio  float64 `json:"tokenRatio"`
	}
	health struct {
		Service string `json:"serviceName"`
	}
)

// seconds is a duration in protobuf's JSON, and nothing for none.
func seconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf("%.9fs", d.Seconds())
}
