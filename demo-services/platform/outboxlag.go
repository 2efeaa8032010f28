package platform

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	outboxAge = prometheus.NewDesc("shop_outbox_lag_seconds",
		"Age of the oldest event that is not on the bus yet; 0 if there is none.", nil, nil)
	outboxLength = prometheus.NewDesc("shop_outbox_events", "Events that are not on the bus yet.", nil, nil)
)

// outboxLag asks the database when it is collected, so that it tells the truth
// even when whoever should publish hangs.
type outboxLag struct{ outbox *Outbox }

// Describe implements prometheus.Collector.
func (l outboxLag) Describe(out chan<- *prometheus.Desc) {
	out <- outboxAge
	out <- outboxLength
}

// Collect implements prometheus.Collector. While the database does not answer
// there are no figures, which is what there is to know.
func (l outboxLag) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	var oldest, waiting int64
	if err := l.outbox.db.QueryRow(ctx, []any{&oldest, &waiting}, "SELECT coalesce(min(created_at), 0), count(*) FROM outbox"); err != nil {
		return
	}
	var age float64
	if waiting > 0 {
		age = max(0, l.outbox.now().Sub(time.UnixMilli(oldest)).Seconds())
	}
	out <- prometheus.MustNewConstMetric(outboxAge, prometheus.GaugeValue, age)
	out <- prometheus.MustNewConstMetric(outboxLength, prometheus.GaugeValue, float64(waiting))
}
