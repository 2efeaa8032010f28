package notification

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// metrics are what the service counts. Safe for concurrent use.
type metrics struct{ attempts *prometheus.HistogramVec }

func newMetrics() *metrics {
	return &metrics{attempts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "shop_mail_attempt_duration_seconds", Help: "What attempts to send a message take, by what came of them.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
	}, []string{"outcome", "error_type"})}
}

// register has the metrics collected, and how many messages wait or were given up.
func (m *metrics) register(registerer prometheus.Registerer, db *platform.DB) error {
	return errors.Join(
		registerer.Register(m.attempts),
		registerer.Register(db.RowGauge("shop_mails_waiting", "Messages that are not sent yet.",
			"SELECT count(*) FROM messages WHERE due_at IS NOT NULL")),
		registerer.Register(db.RowGauge("shop_mails_refused", "Messages that nobody tries to send any more: see to them.",
			"SELECT count(*) FROM messages WHERE due_at IS NULL AND sent_at = 0")),
	)
}

func (m *metrics) attempt(ctx context.Context, outcome string, err error, took time.Duration) {
	platform.Observe(ctx, m.attempts.WithLabelValues(outcome, errorType(err)), took.Seconds())
}
