package receive

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/receive/unary"
)

// transport is how a request came, in the words of the metrics' label.
type transport string

const (
	overGRPC          transport = "grpc"
	overHTTP          transport = "http"
	overJaegerCompact transport = "jaeger_thrift_compact"
	overJaegerBinary  transport = "jaeger_thrift_binary"
	overJaegerHTTP    transport = "jaeger_thrift_http"
	overJaegerGRPC    transport = "jaeger_grpc"
	overZipkin        transport = "zipkin"
	overLoki          transport = "loki"
)

// What became of an item, as the label of waybill_receive_items_total.
const (
	itemsAccepted = "accepted"
	itemsRejected = "rejected" // by themselves: spans without ids
	itemsRefused  = "refused"  // with their request
)

// meters counts what the receivers do. Every label has a fixed set of values.
type meters struct {
	requests *prometheus.CounterVec
	items    *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	limits   *prometheus.CounterVec
}

// newMeters registers the receivers' metrics.
func newMeters(reg prometheus.Registerer, b *budget) (*meters, error) {
	m := &meters{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybill_receive_requests_total",
			Help: "Export requests that were answered, by what became of them.",
		}, []string{"signal", "transport", "outcome"}),
		items: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybill_receive_items_total",
			Help: "Spans, data points and log records in requests that could be read.",
		}, []string{"signal", "outcome"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybill_receive_bytes_total",
			Help: "Bytes of accepted requests, as protobuf without compression.",
		}, []string{"signal"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                        "waybill_receive_duration_seconds",
			Help:                        "Time from a request's headers to its answer, the journal's part included.",
			Buckets:                     prometheus.ExponentialBuckets(0.0005, 2.5, 12),
			NativeHistogramBucketFactor: 1.1,
		}, []string{"signal", "transport"}),
		limits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybill_receive_limits_total",
			Help: "Calls that were refused and connections that were ended because a client came to a limit of gRPC's server.",
		}, []string{"transport", "limit"}),
	}
	for _, via := range []transport{overGRPC, overJaegerGRPC} {
		for _, limit := range unary.Limits() {
			m.limits.WithLabelValues(string(via), string(limit))
		}
	}
	inflight := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "waybill_receive_inflight_bytes",
		Help: "Bytes held for requests that have no answer yet.",
	}, func() float64 { return float64(b.used.Load()) })
	limit := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "waybill_receive_inflight_budget_bytes",
		Help: "Bytes that may be held for requests that have no answer yet.",
	}, func() float64 { return float64(b.max) })
	var errs []error
	for _, c := range []prometheus.Collector{m.requests, m.items, m.bytes, m.duration, m.limits, inflight, limit} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

// answered counts one request.
func (m *meters) answered(signal journal.Signal, via transport, what outcome, began time.Time) {
	m.requests.WithLabelValues(signal.String(), string(via), string(what)).Inc()
	m.duration.WithLabelValues(signal.String(), string(via)).Observe(time.Since(began).Seconds())
}

// hit counts limits.
func (m *meters) hit(via transport) func(unary.Limit) {
	return func(limit unary.Limit) { m.limits.WithLabelValues(string(via), string(limit)).Inc() }
}

func (m *meters) counted(signal journal.Signal, what string, items int) {
	if items > 0 {
		m.items.WithLabelValues(signal.String(), what).Add(float64(items))
	}
}

func (m *meters) stored(signal journal.Signal, bytes int) {
	m.bytes.WithLabelValues(signal.String()).Add(float64(bytes))
}
