package instrument

import (
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// Gauge is a gauge whose series are found by a key of the caller's, as those
// of a Duration. It is safe for concurrent use.
type Gauge[K comparable] struct {
	series *cache[K, prometheus.Gauge]
}

// NewGauge registers the gauge, with labels as in NewDuration.
func NewGauge[K comparable](
	registerer prometheus.Registerer, metric semconv.Metric, labels func(K) []string, attributes ...attribute.Key,
) (*Gauge[K], error) {
	vec, err := Register(registerer, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: metric.Prometheus(), Help: metric.Help,
	}, semconv.Labels(attributes...)))
	if err != nil {
		return nil, err
	}
	return &Gauge[K]{series: newCache(labels, func(values []string) prometheus.Gauge { return vec.WithLabelValues(values...) })}, nil
}

// Series is the one of that key.
func (g *Gauge[K]) Series(key K) prometheus.Gauge { return g.series.get(key) }
