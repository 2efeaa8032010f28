package instrument

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Counter is a counter whose series are found by a key of the caller's, as
// those of a Duration. It is safe for concurrent use.
type Counter[K comparable] struct {
	series *cache[K, prometheus.Counter]
}

// NewCounter registers the counter under a name of Prometheus's. values turns
// a key into the values of the labels; it is called once for each key.
func NewCounter[K comparable](registerer prometheus.Registerer, name, help string, values func(K) []string, labels ...string) (*Counter[K], error) {
	vec, err := Register(registerer, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels))
	if err != nil {
		return nil, err
	}
	return &Counter[K]{series: newCache(values, func(values []string) prometheus.Counter { return vec.WithLabelValues(values...) })}, nil
}

// Inc counts one.
func (c *Counter[K]) Inc(key K) { c.series.get(key).Inc() }
