package push

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// meters count what pushing does.
type meters struct {
	// sent are series or data points that the backend has taken, rejected those
	// that it never will, dropped those that it could not be asked in time.
	sent, rejected, dropped prometheus.Counter
	retries                 prometheus.Counter
	succeeded               prometheus.Gauge
}

func newMeters(to string) *meters {
	labels := func(more ...string) prometheus.Labels {
		l := prometheus.Labels{"to": to}
		for i := 0; i < len(more); i += 2 {
			l[more[i]] = more[i+1]
		}
		return l
	}
	samples := func(outcome string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{
			Name: "waybill_derive_push_samples_total", Help: "Values of derived metrics that were pushed, by what became of them.",
			ConstLabels: labels("outcome", outcome),
		})
	}
	return &meters{
		sent: samples("sent"), rejected: samples("rejected"), dropped: samples("dropped"),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "waybill_derive_push_retries_total", Help: "Requests with derived metrics that were sent again.", ConstLabels: labels(),
		}),
		succeeded: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "waybill_derive_push_last_success_timestamp_seconds",
			Help: "When derived metrics were pushed as a whole, in seconds since 1970.", ConstLabels: labels(),
		}),
	}
}

func (m *meters) register(reg prometheus.Registerer) error {
	var errs []error
	for _, c := range []prometheus.Collector{m.sent, m.rejected, m.dropped, m.retries, m.succeeded} {
		errs = append(errs, reg.Register(c))
	}
	return errors.Join(errs...)
}
