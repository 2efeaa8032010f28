package viewer

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/query"
)

// metrics are the viewer's own: what the index holds and has let go. They are
// read when they are scraped.
type metrics struct {
	engine *query.Engine
	list   []metric
}

type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(index.Stats, query.Progress) float64
}

func newMetrics(engine *query.Engine) *metrics {
	m := &metrics{engine: engine}
	add := func(kind prometheus.ValueType, name, help string, value func(index.Stats, query.Progress) float64) {
		m.list = append(m.list, metric{prometheus.NewDesc("waybill_viewer_"+name, help, nil, nil), kind, value})
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	add(gauge, "traces", "Traces in the index.",
		func(s index.Stats, _ query.Progress) float64 { return float64(s.Traces) })
	add(gauge, "index_bytes", "Memory of the index, by its own estimate.",
		func(s index.Stats, _ query.Progress) float64 { return float64(s.Bytes) })
	add(gauge, "open_spans", "Spans remembered of traces that still grow.",
		func(s index.Stats, _ query.Progress) float64 { return float64(s.OpenSpans) })
	add(gauge, "journal_behind_bytes", "How much of the journal is not indexed yet.",
		func(_ index.Stats, p query.Progress) float64 { return float64(p.Behind) })
	add(gauge, "journal_readable", "1 while the journal can be read, else 0.",
		func(_ index.Stats, p query.Progress) float64 {
			if p.Fault != nil {
				return 0
			}
			return 1
		})
	add(counter, "spans_total", "Spans indexed.",
		func(s index.Stats, _ query.Progress) float64 { return float64(s.Spans) })
	add(counter, "duplicate_spans_total", "Spans that came a second time and were not counted.",
		func(s index.Stats, _ query.Progress) float64 { return float64(s.Duplicates) })
	add(counter, "unpaired_spans_total", "Spans whose parent did not come in time for the service map.",
		func(s index.Stats, _ query.Progress) float64 { return float64(s.Unpaired) })
	add(counter, "uncounted_calls_total", "Calls that found no room in the service map.",
		func(s index.Stats, _ query.Progress) float64 { return float64(s.Uncounted) })
	add(counter, "dropped_traces_total", "Traces that left the index, by a bound or with their journal records.",
		func(s index.Stats, _ query.Progress) float64 { return float64(s.Dropped) })
	return m
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(descs chan<- *prometheus.Desc) {
	for _, one := range m.list {
		descs <- one.desc
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	stats, progress := m.engine.Stats(), m.engine.Progress()
	for _, one := range m.list {
		out <- prometheus.MustNewConstMetric(one.desc, one.kind, one.value(stats, progress))
	}
}

// metricsHandler serves the metrics from a registry of the viewer's own.
func metricsHandler(engine *query.Engine, registry *prometheus.Registry, logger *slog.Logger) (http.Handler, error) {
	if err := registry.Register(newMetrics(engine)); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}), nil
}
