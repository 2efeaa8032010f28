package client

import (
	"errors"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/middleware/internal/breaker"
	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// callSeries names a series of the duration of calls.
type callSeries struct {
	service, method, errorType string
	status                     int
}

func (s callSeries) labels() []string {
	status := ""
	if s.status != 0 {
		status = strconv.Itoa(s.status)
	}
	return []string{s.service, s.method, status, s.errorType}
}

// metrics are those of a client; clients of one registry share them.
type metrics struct {
	duration   *instrument.Duration[callSeries]
	breakers   *breaker.Metrics
	retries    *prometheus.CounterVec // by service and reason
	hedges     *prometheus.CounterVec // by service and outcome
	exhausted  *prometheus.CounterVec // by service
	instances  *prometheus.GaugeVec   // by service
	unresolved *prometheus.CounterVec // by service
}

// The labels beside those that are attributes.
const (
	labelService = "peer_service"
	labelReason  = "reason"
	labelOutcome = "outcome"
)

func newMetrics(source Telemetry) (*metrics, error) {
	registerer := source.Registerer()
	var failures []error
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		made, err := instrument.Register(registerer, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels))
		failures = append(failures, err)
		return made
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		made, err := instrument.Register(registerer, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels))
		failures = append(failures, err)
		return made
	}
	duration, err := instrument.NewDuration(source, semconv.ClientCallDuration, callSeries.labels,
		semconv.PeerService, semconv.HTTPRequestMethod, semconv.HTTPResponseStatusCode, semconv.ErrorType)
	breakers, breakersErr := breaker.NewMetrics(registerer)
	failures = append(failures, err, breakersErr)
	m := &metrics{
		breakers:   breakers,
		duration:   duration,
		retries:    counter("waybill_client_retries_total", "Attempts beyond the first of a call, by why the one before failed.", labelService, labelReason),
		hedges:     counter("waybill_client_hedges_total", "Second attempts beside the first, by whether they answered first (won) or not (lost).", labelService, labelOutcome),
		exhausted:  counter("waybill_client_retry_budget_exhausted_total", "Retries that were not made because the service had too many.", labelService),
		instances:  gauge("waybill_client_instances", "Instances that were found of a service.", labelService),
		unresolved: counter("waybill_client_resolve_failures_total", "Calls for which no instance of the service was found.", labelService),
	}
	return m, errors.Join(failures...)
}

// forget removes the series of a service, but for those of its instances.
func (m *metrics) forget(service string) {
	m.instances.DeleteLabelValues(service)
	for _, counts := range []*prometheus.CounterVec{m.exhausted, m.unresolved} {
		counts.DeleteLabelValues(service)
	}
	// These look at all their series, which are few: most services never fail.
	m.retries.DeletePartialMatch(prometheus.Labels{labelService: service})
	m.hedges.DeletePartialMatch(prometheus.Labels{labelService: service})
	m.breakers.Forget(service)
}

// newService is what the client makes when a service is called for the first
// time.
func (c *Client) newService(name string) *service {
	settings := c.breaker
	s := &service{name: name, balancer: c.balancer(), budget: c.retry.budget(), discovery: c.discovery}
	s.open = func(address string) *Endpoint {
		e := &Endpoint{address: address}
		e.breaker = breaker.New(settings, address, func(t breaker.Transition) {
			if !e.gone.Load() {
				c.metrics.breakers.Changed(name, t)
				c.changed(Transition{Service: name, Instance: address, From: t.From.String(), To: t.To.String()})
			}
		})
		if e.breaker != nil {
			c.metrics.breakers.Made(name, address)
		}
		c.metrics.instances.WithLabelValues(name).Inc()
		return e
	}
	s.closed = func(e *Endpoint) {
		e.gone.Store(true)
		c.metrics.breakers.Gone(name, e.address)
		c.metrics.instances.WithLabelValues(name).Dec()
	}
	return s
}

func (c *Client) forgetService(s *service) {
	s.closeAll()
	c.metrics.forget(s.name)
	c.director.forget(s.name)
}
