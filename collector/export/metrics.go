package export

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
)

// meters are the metrics of all forwarders, by signal and destination. How far
// a forwarder is behind in bytes is waybill_journal_reader_lag_bytes.
type meters struct {
	items    *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	retries  *prometheus.CounterVec
	letters  *prometheus.CounterVec
	requests *prometheus.HistogramVec
}

func newMeters(reg prometheus.Registerer, status func() []Status) (*meters, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "waybill_export_" + name, Help: help},
			append([]string{"signal", "destination"}, labels...))
	}
	m := &meters{
		items: counter("items_total", "Spans, data points and log records by what became of them: sent; rejected by the backend in an "+
			"answer of partial success; dead_lettered because the backend refuses the request that they came in; dropped because it "+
			"could not be set aside either.", "outcome"),
		bytes:   counter("sent_bytes_total", "Bytes of encoded requests that backends have accepted, before compression."),
		retries: counter("retries_total", "Attempts that were repeats of one that had failed."),
		letters: counter("dead_letters_lost_bytes_total", "Bytes of dead letters that were deleted to make room for newer ones."),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                        "waybill_export_request_duration_seconds",
			Help:                        "Time that backends took to answer, by what the answer meant.",
			Buckets:                     prometheus.ExponentialBuckets(0.001, 4, 8),
			NativeHistogramBucketFactor: 1.1,
		}, []string{"signal", "destination", "result"}),
	}
	return m, errors.Join(reg.Register(m.items), reg.Register(m.bytes), reg.Register(m.retries), reg.Register(m.letters), reg.Register(m.requests),
		reg.Register(newStatusCollector(status)))
}

// forget removes what is no longer forwarded.
func (m *meters) forget(t task) {
	labels := prometheus.Labels{"signal": t.signal.String(), "destination": t.destination.Name}
	m.items.DeletePartialMatch(labels)
	m.bytes.DeletePartialMatch(labels)
	m.retries.DeletePartialMatch(labels)
	m.letters.DeletePartialMatch(labels)
	m.requests.DeletePartialMatch(labels)
}

// signalMeters are one forwarder's.
type signalMeters struct {
	sent, rejected, deadLettered, dropped, bytes, retries, lettersLost prometheus.Counter
	requests                                                           prometheus.ObserverVec
}

func (m *meters) of(signal journal.Signal, destination string) signalMeters {
	name := signal.String()
	return signalMeters{
		sent:         m.items.WithLabelValues(name, destination, "sent"),
		rejected:     m.items.WithLabelValues(name, destination, "rejected"),
		deadLettered: m.items.WithLabelValues(name, destination, "dead_lettered"),
		dropped:      m.items.WithLabelValues(name, destination, "dropped"),
		bytes:        m.bytes.WithLabelValues(name, destination),
		retries:      m.retries.WithLabelValues(name, destination),
		lettersLost:  m.letters.WithLabelValues(name, destination),
		requests:     m.requests.MustCurryWith(prometheus.Labels{"signal": name, "destination": destination}),
	}
}

func (m signalMeters) answered(v verdict, took time.Duration) {
	m.requests.WithLabelValues(v.String()).Observe(took.Seconds())
}

// accepted counts records that the backend has answered for.
func (m signalMeters) accepted(records []journal.Record, rejected uint64) {
	items, bytes := weigh(records)
	rejected = min(rejected, items)
	m.sent.Add(float64(items - rejected))
	m.rejected.Add(float64(rejected))
	m.bytes.Add(float64(bytes))
}

func weigh(records []journal.Record) (items, bytes uint64) {
	for i := range records {
		items += uint64(records[i].Items)
		bytes += uint64(len(records[i].Payload))
	}
	return items, bytes
}

// statusCollector implements prometheus.Collector over the destinations'
// status: times since are to be counted when they are asked for.
type statusCollector struct {
	status       func() []Status
	lag, failing *prometheus.Desc
}

func newStatusCollector(status func() []Status) *statusCollector {
	labels := []string{"signal", "destination"}
	return &statusCollector{
		status: status,
		lag: prometheus.NewDesc("waybill_export_lag_seconds",
			"Age of the oldest request that the destination has yet to answer for; 0 when there is none.", labels, nil),
		failing: prometheus.NewDesc("waybill_export_failing_seconds",
			"How long every attempt to reach the destination has failed; 0 when it answers.", labels, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *statusCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.lag
	ch <- c.failing
}

// Collect implements prometheus.Collector.
func (c *statusCollector) Collect(ch chan<- prometheus.Metric) {
	now := time.Now()
	since := func(t time.Time) float64 {
		if t.IsZero() {
			return 0
		}
		return max(now.Sub(t).Seconds(), 0)
	}
	for _, s := range c.status() {
		signal := s.Signal.String()
		ch <- prometheus.MustNewConstMetric(c.lag, prometheus.GaugeValue, since(s.Oldest), signal, s.Destination)
		ch <- prometheus.MustNewConstMetric(c.failing, prometheus.GaugeValue, since(s.FailingSince), signal, s.Destination)
	}
}
