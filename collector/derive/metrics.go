package derive

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// meters count what deriving does.
type meters struct {
	spans, excluded, overflowed, expired, malformed     prometheus.Counter
	unpaired, evicted, overflowedRequests, expiredEdges prometheus.Counter
}

func newMeters() *meters {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "waybill_derive_" + name, Help: help})
	}
	return &meters{
		spans:      counter("spans_total", "Spans that metrics were derived from."),
		excluded:   counter("excluded_spans_total", "Spans that RED metrics leave out by configuration."),
		overflowed: counter("overflowed_spans_total", "Spans that count in an overflow series because of a limit of series."),
		expired:    counter("expired_series_total", "Series that were forgotten because no span came for them."),
		malformed:  counter("malformed_records_total", "Records of the journal that ended in the middle of a span."),

		unpaired:           counter("graph_unpaired_spans_total", "Spans of the service graph whose other end did not come in time and has no name."),
		evicted:            counter("graph_evicted_spans_total", "Spans of the service graph that had to go before their other end came, because of a limit."),
		overflowedRequests: counter("graph_overflowed_requests_total", "Requests that count in an overflow edge because of the limit of edges."),
		expiredEdges:       counter("graph_expired_edges_total", "Edges that were forgotten because no request came for them."),
	}
}

// register also registers how much s holds.
func (m *meters) register(reg prometheus.Registerer, s *scan) error {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "waybill_derive_" + name, Help: help}, value)
	}
	all := []prometheus.Collector{
		m.spans, m.excluded, m.overflowed, m.expired, m.malformed,
		gauge("series", "Sets of labels that RED metrics have, overflow series included.", s.red.size),
	}
	if s.graph != nil {
		all = append(all, m.unpaired, m.evicted, m.overflowedRequests, m.expiredEdges,
			gauge("graph_pending_spans", "Spans of the service graph that wait for their other end.", s.graph.pending),
			gauge("graph_edges", "Edges of the service graph, overflow edges included.", s.graph.size))
	}
	var errs []error
	for _, c := range all {
		errs = append(errs, reg.Register(c))
	}
	return errors.Join(errs...)
}
