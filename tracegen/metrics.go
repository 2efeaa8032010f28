package tracegen

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics shows a run's account to Prometheus while it runs.
type metrics struct{ account *account }

var (
	amountLabels = []string{"outcome"}
	requestsDesc = prometheus.NewDesc("tracegen_requests_total", "Requests by what became of them.", amountLabels, nil)
	tracesDesc   = prometheus.NewDesc("tracegen_traces_total", "Traces by what became of them.", amountLabels, nil)
	spansDesc    = prometheus.NewDesc("tracegen_spans_total", "Spans by what became of them.", amountLabels, nil)
	bytesDesc    = prometheus.NewDesc("tracegen_bytes_total", "Encoded bytes by what became of them.", amountLabels, nil)
	logsDesc     = prometheus.NewDesc("tracegen_logs_total", "Log records by what became of them.", amountLabels, nil)
	pointsDesc   = prometheus.NewDesc("tracegen_metric_points_total", "Points of metrics by what became of them.", amountLabels, nil)
	retriesDesc  = prometheus.NewDesc("tracegen_retries_total", "Requests that were sent again.", nil, nil)
	latencyDesc  = prometheus.NewDesc("tracegen_latency_seconds", "From when a request was due to its final answer.", nil, nil)
	latenessDesc = prometheus.NewDesc("tracegen_lateness_seconds", "From when a request was due to when it was first sent.", nil, nil)
)

// Describe sends what may be collected.
func (m metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{requestsDesc, tracesDesc, spansDesc, bytesDesc, logsDesc, pointsDesc, retriesDesc, latencyDesc, latenessDesc} {
		out <- d
	}
}

// Collect sends a snapshot.
func (m metrics) Collect(out chan<- prometheus.Metric) {
	r := m.account.report(time.Now())
	for outcome, a := range map[string]Amount{"made": r.Made, "acknowledged": r.Acknowledged, "rejected": r.Rejected, "failed": r.Failed} {
		for desc, n := range map[*prometheus.Desc]uint64{requestsDesc: a.Requests, tracesDesc: a.Traces, spansDesc: a.Spans, bytesDesc: a.Bytes} {
			out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), outcome)
		}
	}
	for desc, t := range map[*prometheus.Desc]Tally{logsDesc: r.Logs, pointsDesc: r.Points} {
		for outcome, n := range map[string]uint64{"made": t.Made, "acknowledged": t.Acknowledged, "rejected": t.Rejected, "failed": t.Failed} {
			out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), outcome)
		}
	}
	out <- prometheus.MustNewConstMetric(retriesDesc, prometheus.CounterValue, float64(r.Retries))
	m.account.mu.Lock()
	defer m.account.mu.Unlock()
	out <- m.account.latencies.summary(latencyDesc)
	out <- m.account.lateness.summary(latenessDesc)
}

func (l *latencies) summary(desc *prometheus.Desc) prometheus.Metric {
	quantiles := map[float64]float64{}
	for _, q := range []float64{0.5, 0.9, 0.99} {
		quantiles[q] = l.quantile(q).Seconds()
	}
	return prometheus.MustNewConstSummary(desc, l.n, l.sum.Seconds(), quantiles)
}
