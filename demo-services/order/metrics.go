package order

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// lagTimeout bounds how long a scrape waits for the database.
const lagTimeout = time.Second

// metrics are what the service counts. Safe for concurrent use.
type metrics struct {
	sagas    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	revenue  *prometheus.CounterVec
	// compensationsFailed counts attempts.
	compensationsFailed prometheus.Counter
}

func newMetrics() *metrics {
	return &metrics{
		sagas: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_sagas_total", Help: "Sagas of orders that have ended, by how and why.",
		}, []string{"outcome", "reason"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "shop_saga_duration_seconds", Help: "Time from an order's placing to its saga's end.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}, []string{"outcome"}),
		revenue: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_order_amount_total", Help: "What orders that have ended cost, in the currency's minor unit.",
		}, []string{"outcome", "currency"}),
		compensationsFailed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shop_compensations_failed_total", Help: "Attempts to give back what an order holds that have failed.",
		}),
	}
}

// register has the metrics collected, and how far the read model is behind.
func (m *metrics) register(registerer prometheus.Registerer, db *platform.DB) error {
	return errors.Join(registerer.Register(m.sagas), registerer.Register(m.duration), registerer.Register(m.revenue),
		registerer.Register(m.compensationsFailed),
		registerer.Register(lags{db: db}))
}

// ended counts an order whose saga has ended. An order that its customer
// cancels has ended before; how long ago is no property of the saga.
func (m *metrics) ended(ctx context.Context, o Order) {
	outcome := strings.ToLower(string(o.Step))
	m.sagas.WithLabelValues(outcome, o.Reason).Inc()
	m.revenue.WithLabelValues(outcome, o.Currency).Add(float64(o.Amount))
	if o.Reason != platform.ReasonCancelledByCustomer {
		platform.Observe(ctx, m.duration.WithLabelValues(outcome), o.UpdatedAt.Sub(o.CreatedAt).Seconds())
	}
}

// What is behind, and what says so.
var (
	projectorQueue = prometheus.NewDesc("shop_projector_lag_events", "Events that are not in the read model yet.", nil, nil)
	parkedSagas    = prometheus.NewDesc("shop_sagas_parked", "Sagas that nobody tries to end any more: see to them.", nil, nil)
	openSagas      = prometheus.NewDesc("shop_sagas_open", "Sagas that have not ended.", nil, nil)
)

// lags asks the database when it is collected, so that it tells the truth even
// when whoever should catch up hangs.
type lags struct{ db *platform.DB }

// Describe implements prometheus.Collector.
func (l lags) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{projectorQueue, openSagas, parkedSagas} {
		out <- d
	}
}

// Collect implements prometheus.Collector. While the database does not answer
// there are no figures, which is what there is to know.
func (l lags) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), lagTimeout)
	defer cancel()
	var behind, sagas, parked int64
	if err := l.db.QueryRow(ctx, []any{&behind, &sagas, &parked}, `SELECT
		(SELECT count(*) FROM events WHERE position > (SELECT position FROM projection)), (SELECT count(*) FROM sagas),
		(SELECT count(*) FROM sagas WHERE parked_at > 0)`); err != nil {
		return
	}
	out <- prometheus.MustNewConstMetric(projectorQueue, prometheus.GaugeValue, float64(behind))
	out <- prometheus.MustNewConstMetric(parkedSagas, prometheus.GaugeValue, float64(parked))
	out <- prometheus.MustNewConstMetric(openSagas, prometheus.GaugeValue, float64(sagas))
}
