package file

import (
	"errors"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
)

// meters counts what the journal does.
type meters struct {
	records      [journal.Logs + 1]atomic.Uint64 // by signal
	bytes        atomic.Uint64
	refused      atomic.Uint64
	failed       atomic.Uint64
	tornBytes    atomic.Uint64
	damages      atomic.Uint64
	damagedBytes atomic.Uint64
	sync         prometheus.Histogram
}

func newMeters() *meters {
	return &meters{sync: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:                        "waybill_journal_sync_duration_seconds",
		Help:                        "Time that one group of records took to reach stable storage.",
		Buckets:                     prometheus.ExponentialBuckets(0.0001, 2.5, 12),
		NativeHistogramBucketFactor: 1.1,
	})}
}

// answered counts records that were written, refused or failed.
func (m *meters) answered(entries []entry, err error) {
	switch {
	case errors.Is(err, journal.ErrFull):
		m.refused.Add(uint64(len(entries)))
	case err != nil:
		m.failed.Add(uint64(len(entries)))
	default:
		for i := range entries {
			m.records[entries[i].signal].Add(1)
			m.bytes.Add(uint64(entries[i].size))
		}
	}
}

func (m *meters) torn(bytes int64) {
	m.tornBytes.Add(uint64(bytes))
}

func (m *meters) damage(bytes int64) {
	m.damages.Add(1)
	m.damagedBytes.Add(uint64(bytes))
}

// Collector returns the journal's metrics, all named waybill_journal_….
func (j *Journal) Collector() prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("waybill_journal_"+name, help, labels, nil)
	}
	return &collector{
		journal:      j,
		bytes:        desc("bytes", "Bytes that the journal's segments occupy on disk."),
		budget:       desc("budget_bytes", "Bytes that the journal's segments may occupy on disk."),
		oldest:       desc("oldest_offset", "Offset of the oldest record held. Offsets are bytes since the journal began."),
		end:          desc("end_offset", "Offset behind the newest record."),
		records:      desc("appended_records_total", "Records that were acknowledged.", "signal"),
		recordBytes:  desc("appended_bytes_total", "Bytes of acknowledged records with their headers."),
		refused:      desc("refused_records_total", "Records that were refused because the budget or the disk was used up."),
		failed:       desc("failed_records_total", "Records that the disk failed to store."),
		torn:         desc("torn_bytes_total", "Bytes cut off the end of the log at start: half written by a crash, or left of the segment that was recycled."),
		damages:      desc("damaged_stretches_total", "Stretches of the log that held no intact record and were skipped."),
		damagedBytes: desc("damaged_bytes_total", "Bytes in the stretches that were skipped."),
		lag:          desc("reader_lag_bytes", "Bytes between a named reader's committed cursor and the journal's end.", "reader"),
	}
}

// collector implements prometheus.Collector over a journal's state.
type collector struct {
	journal *Journal

	bytes, budget, oldest, end, records, recordBytes, refused, failed *prometheus.Desc
	torn, damages, damagedBytes, lag                                  *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.bytes, c.budget, c.oldest, c.end, c.records, c.recordBytes, c.refused, c.failed, c.torn, c.damages, c.damagedBytes, c.lag,
	} {
		ch <- d
	}
	c.journal.meters.sync.Describe(ch)
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	stats, m := c.journal.Stats(), c.journal.meters
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v *atomic.Uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v.Load()), labels...)
	}
	gauge(c.bytes, float64(stats.Bytes))
	gauge(c.budget, float64(stats.MaxBytes))
	gauge(c.oldest, float64(stats.Oldest))
	gauge(c.end, float64(stats.End))
	for signal := journal.Traces; signal <= journal.Logs; signal++ {
		counter(c.records, &m.records[signal], signal.String())
	}
	counter(c.recordBytes, &m.bytes)
	counter(c.refused, &m.refused)
	counter(c.failed, &m.failed)
	counter(c.torn, &m.tornBytes)
	counter(c.damages, &m.damages)
	counter(c.damagedBytes, &m.damagedBytes)
	for name, cursor := range stats.Cursors {
		gauge(c.lag, float64(stats.End-min(cursor, stats.End)), name)
	}
	m.sync.Collect(ch)
}
