package breaker

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
)

// The labels of the metrics.
const (
	labelService  = "peer_service"
	labelInstance = "instance_address"
	labelState    = "state"
)

// Metrics are those of the breakers of a registry, which all clients share. The
// instance is empty for a breaker of a service as a whole.
type Metrics struct {
	rejections  *prometheus.CounterVec // by service
	transitions *prometheus.CounterVec // by service and state
	state       *prometheus.GaugeVec   // by service and instance
}

// NewMetrics registers them.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	rejections, err1 := instrument.Register(registerer, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "waybill_client_breaker_rejections_total", Help: "Attempts that an open circuit breaker did not let through.",
	}, []string{labelService}))
	transitions, err2 := instrument.Register(registerer, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "waybill_client_breaker_transitions_total", Help: "Changes of circuit breakers, by the state that they changed to.",
	}, []string{labelService, labelState}))
	state, err3 := instrument.Register(registerer, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "waybill_client_breaker_state", Help: "State of an instance's circuit breaker: 0 closed, 1 half open, 2 open.",
	}, []string{labelService, labelInstance}))
	return &Metrics{rejections, transitions, state}, errors.Join(err1, err2, err3)
}

// Made shows a new breaker, which is closed.
func (m *Metrics) Made(service, instance string) { m.state.WithLabelValues(service, instance).Set(0) }

// Changed counts a transition.
func (m *Metrics) Changed(service string, t Transition) {
	m.transitions.WithLabelValues(service, t.To.String()).Inc()
	m.state.WithLabelValues(service, t.Name).Set(float64(t.To))
}

// Rejected counts a request that was not let through.
func (m *Metrics) Rejected(service string) { m.rejections.WithLabelValues(service).Inc() }

// Gone removes an instance.
func (m *Metrics) Gone(service, instance string) { m.state.DeleteLabelValues(service, instance) }

// Forget removes a service, but for its instances.
func (m *Metrics) Forget(service string) {
	m.rejections.DeleteLabelValues(service)
	m.transitions.DeletePartialMatch(prometheus.Labels{labelService: service})
}
