package derive

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// meters count what deriving does.
type meters struct {
	spans, overflowed, expired, malformed prometheus.Counter
}

func newMeters() *meters {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "waybill_derive_" + name, Help: help})
	}
	return &meters{
		spans:      counter("spans_total", "Spans that RED metrics were derived from."),
		overflowed: counter("overflowed_spans_total", "Spans that count in an overflow series because of the limit of series."),
		expired:    counter("expired_series_total", "Series that were forgotten because no span came for them."),
		malformed:  counter("malformed_records_total", "Records of the journal that ended in the middle of a span."),
	}
}

// register also registers how many series r has.
func (m *meters) register(reg prometheus.Registerer, r *red) error {
	size := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "waybill_derive_series",
		Help: "Sets of labels that RED metrics have, overflow series included.",
	}, r.size)
	return errors.Join(reg.Register(m.spans), reg.Register(m.overflowed), reg.Register(m.expired), reg.Register(m.malformed), reg.Register(size))
}
