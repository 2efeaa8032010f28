package export

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
)

// meters are the metrics of all forwarders, by signal. How far a forwarder is
// behind is waybill_journal_reader_lag_bytes.
type meters struct {
	items    *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	retries  *prometheus.CounterVec
	requests *prometheus.HistogramVec
}

func newMeters(reg prometheus.Registerer) (*meters, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "waybill_export_" + name, Help: help}, append([]string{"signal"}, labels...))
	}
	m := &meters{
		items: counter("items_total", "Spans, data points and log records by what became of them: sent; rejected by the backend in an "+
			"answer of partial success; dropped because the backend refuses the request that they came in.", "outcome"),
		bytes:   counter("sent_bytes_total", "Bytes of encoded requests that backends have accepted, before compression."),
		retries: counter("retries_total", "Attempts that were repeats of one that had failed."),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                        "waybill_export_request_duration_seconds",
			Help:                        "Time that backends took to answer, by what the answer meant.",
			Buckets:                     prometheus.ExponentialBuckets(0.001, 4, 8),
			NativeHistogramBucketFactor: 1.1,
		}, []string{"signal", "result"}),
	}
	return m, errors.Join(reg.Register(m.items), reg.Register(m.bytes), reg.Register(m.retries), reg.Register(m.requests))
}

// signalMeters are one forwarder's.
type signalMeters struct {
	sent, rejected, dropped, bytes, retries prometheus.Counter
	requests                                prometheus.ObserverVec
}

func (m *meters) of(signal journal.Signal) signalMeters {
	name := signal.String()
	return signalMeters{
		sent:     m.items.WithLabelValues(name, "sent"),
		rejected: m.items.WithLabelValues(name, "rejected"),
		dropped:  m.items.WithLabelValues(name, "dropped"),
		bytes:    m.bytes.WithLabelValues(name),
		retries:  m.retries.WithLabelValues(name),
		requests: m.requests.MustCurryWith(prometheus.Labels{"signal": name}),
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
