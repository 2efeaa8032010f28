package derive

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
)

// red counts rate, errors and duration of spans. It implements
// prometheus.Collector and is safe for concurrent use.
type red struct {
	calls, duration *prometheus.Desc
	meters          *meters

	mu    sync.Mutex
	table *table
}

func newRED(cfg Config, m *meters) *red {
	labels := []string{"service_name", "span_name", "span_kind", "status_code"}
	return &red{
		calls:    prometheus.NewDesc("traces_span_metrics_calls_total", "Spans that have ended.", labels, nil),
		duration: prometheus.NewDesc("traces_span_metrics_duration_seconds", "How long spans took.", labels, nil),
		meters:   m,
		table:    newTable(cfg, m),
	}
}

// count takes in the spans of records. Records that are no traces are passed.
func (r *red) count(now time.Time, records []journal.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var raw, service []byte // of the last resource
	observe := func(resource *wire.Resource, _ *wire.Scope, span *wire.Span) error {
		if !same(raw, resource.Raw) {
			raw, service = resource.Raw, resource.ServiceName()
		}
		r.table.observe(now, service, span)
		return nil
	}
	for i := range records {
		if records[i].Signal != journal.Traces {
			continue
		}
		raw, service = nil, nil
		if wire.WalkSpans(records[i].Payload, observe) != nil {
			r.meters.malformed.Inc()
		}
	}
}

// same says whether two slices are one and the same memory.
func same(a, b []byte) bool {
	return len(a) > 0 && len(a) == len(b) && &a[0] == &b[0]
}

// Describe implements prometheus.Collector.
func (r *red) Describe(ch chan<- *prometheus.Desc) {
	ch <- r.calls
	ch <- r.duration
}

// Collect implements prometheus.Collector.
func (r *red) Collect(ch chan<- prometheus.Metric) {
	for _, m := range r.snapshot(time.Now()) {
		ch <- m
	}
}

// snapshot copies all series, so that nobody waits for a slow scrape.
func (r *red) snapshot(now time.Time) []prometheus.Metric {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.table.expire(now)
	metrics := make([]prometheus.Metric, 0, 2*len(r.table.series))
	for _, s := range r.table.series {
		metrics = append(metrics,
			&metric{desc: r.calls, labels: s.labels, counter: &dto.Counter{
				Value:            new(float64(s.count)),
				Exemplar:         s.exemplars[s.last].write(),
				CreatedTimestamp: s.created,
			}},
			&metric{desc: r.duration, labels: s.labels, histogram: s.write(&r.table.scale, s.created)})
	}
	return metrics
}

// size is how many series there are.
func (r *red) size() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return float64(len(r.table.series))
}

// metric implements prometheus.Metric by what was made before.
type metric struct {
	desc      *prometheus.Desc
	labels    []*dto.LabelPair
	counter   *dto.Counter
	histogram *dto.Histogram
}

// Desc implements prometheus.Metric.
func (m *metric) Desc() *prometheus.Desc { return m.desc }

// Write implements prometheus.Metric.
func (m *metric) Write(out *dto.Metric) error {
	out.Label, out.Counter, out.Histogram = m.labels, m.counter, m.histogram
	return nil
}
