package derive

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/waybill-dev/waybill/collector/wire"
)

// red counts rate, errors and duration of spans. It implements
// prometheus.Collector and is safe for concurrent use; whoever calls observe
// holds mu.
type red struct {
	calls, duration *prometheus.Desc
	exclude         []rule
	meters          *meters

	mu    sync.Mutex
	table *table
}

func newRED(cfg Config, m *meters) *red {
	names := cfg.Names.vocabulary()
	labels := names.labelNames(cfg.Dimensions)
	return &red{
		calls:    prometheus.NewDesc(names.calls, "Spans that have ended.", labels, nil),
		duration: prometheus.NewDesc(names.duration, "How long spans took, in seconds.", labels, nil),
		exclude:  newRules(cfg.Exclude),
		meters:   m,
		table:    newTable(cfg, m),
	}
}

// observe counts one span, unless it is excluded.
func (r *red) observe(now time.Time, o *origin, s *wire.Span, e *exemplar, weight float64) {
	for i := range r.exclude {
		if r.exclude[i].holds(*o.service, s) {
			r.meters.excluded.Inc()
			return
		}
	}
	r.table.observe(now, o, s, e, weight)
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
				Exemplar:         s.newest(r.table.scale),
				CreatedTimestamp: s.created,
			}},
			&metric{desc: r.duration, labels: s.labels, histogram: s.write(r.table.scale, s.created)})
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
