package listen

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Meters counts what listeners do, each by its key. Every label has a fixed set
// of values.
type Meters struct {
	requests   *prometheus.CounterVec
	handshakes *prometheus.CounterVec
	renewals   *prometheus.CounterVec
	expiry     *prometheus.GaugeVec
}

// NewMeters registers the metrics waybill_listener_… with reg. Where they are
// registered with it already, what it returns counts in those.
func NewMeters(reg prometheus.Registerer) (m *Meters, err error) {
	m = &Meters{}
	var errs []error
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c, err := register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels))
		errs = append(errs, err)
		return c
	}
	m.requests = counter("waybill_listener_denied_requests_total",
		"Requests that a listener did not let in, by why.", "listener", "reason")
	m.handshakes = counter("waybill_listener_handshake_failures_total",
		"Connections that ended before their TLS handshake did, by why.", "listener", "reason")
	m.renewals = counter("waybill_listener_file_changes_total",
		"Changes of a listener's certificates and tokens, by what became of them.", "listener", "outcome")
	m.expiry, err = register(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "waybill_listener_certificate_expiry_timestamp_seconds",
		Help: "When the certificate expires that a listener serves with, in seconds since 1970.",
	}, []string{"listener"}))
	return m, errors.Join(append(errs, err)...)
}

// register returns c, or what is registered in its place.
func register[C prometheus.Collector](reg prometheus.Registerer, c C) (C, error) {
	err := reg.Register(c)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if there, ok := already.ExistingCollector.(C); ok {
			return there, nil
		}
	}
	return c, err
}

// meters are those of one listener.
type meters struct {
	key              string
	all              *Meters
	renewed, refused prometheus.Counter // nil where there is no file to change
	expires          prometheus.Gauge   // nil without TLS
}

// of makes the series of what a listener has, so that they are there before
// anything happens.
func (m *Meters) of(key string, s Security) meters {
	one := meters{key: key, all: m}
	var reasons []Denied
	if s.TLS.Enabled() || s.Auth.BearerFile != "" {
		one.renewed = m.renewals.WithLabelValues(key, "applied")
		one.refused = m.renewals.WithLabelValues(key, "refused")
	}
	if s.TLS.Enabled() {
		one.expires = m.expiry.WithLabelValues(key)
		for _, reason := range failures() {
			m.handshakes.WithLabelValues(key, reason)
		}
	} else {
		m.expiry.DeleteLabelValues(key) // Of a certificate that is no longer in use.
	}
	if s.TLS.ClientCAFile != "" {
		reasons = append(reasons, ExpiredCertificate)
	}
	if s.Auth.Enabled() {
		reasons = append(reasons, NoToken, WrongToken)
	}
	for _, reason := range reasons {
		m.requests.WithLabelValues(key, string(reason))
	}
	return one
}

func (m meters) denied(reason Denied) { m.all.requests.WithLabelValues(m.key, string(reason)).Inc() }

func (m meters) failed(reason string) { m.all.handshakes.WithLabelValues(m.key, reason).Inc() }
