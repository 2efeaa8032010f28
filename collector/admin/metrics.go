package admin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// collector has the metrics that are to be found out when they are asked for.
// It implements prometheus.Collector.
type collector struct {
	admin             *Admin
	ready, lag, still *prometheus.Desc
}

func newCollector(a *Admin) *collector {
	reader := []string{"reader"}
	return &collector{
		admin: a,
		ready: prometheus.NewDesc("waybill_ready", "1 when the collector is ready, 0 when it is not.", nil, nil),
		lag: prometheus.NewDesc("waybill_journal_reader_lag_seconds",
			"Age of the oldest record that the reader has yet to finish; 0 when there is none.", reader, nil),
		still: prometheus.NewDesc("waybill_journal_reader_still_seconds",
			"How long the reader has not moved although there is something to read.", reader, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.ready
	ch <- c.lag
	ch <- c.still
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	now := time.Now()
	states := c.admin.watch.look(now, c.admin.sources.stats()...)
	ready := 0.0
	if c.admin.readiness(now, states).Ready {
		ready = 1
	}
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	gauge(c.ready, ready)
	for _, r := range states {
		gauge(c.lag, c.age(now, r).Seconds(), r.Name)
		gauge(c.still, r.Still.Seconds(), r.Name)
	}
}

// age is that of the record at a reader's cursor. Where that cannot be read,
// how long the reader stands there is the best that is known.
func (c *collector) age(now time.Time, r readerState) time.Duration {
	if r.Lag == 0 {
		return 0
	}
	record, err := c.admin.sources.journals()[r.In].At(r.Cursor)
	if err != nil {
		return r.Still
	}
	return max(now.Sub(record.Time), 0)
}
