package instrument

import (
	"maps"
	"sync"
	"sync/atomic"
)

// maxSeries bounds the series of one instrument. The label sets are bounded by
// construction as far as the instrumentation can do it; routes, methods and
// destinations come from the application, and it may err.
const maxSeries = 2000

// Overflow is the value of every label of the series that takes what maxSeries
// refuses; its name is OpenTelemetry's attribute for this.
const Overflow = "otel.metric.overflow"

// cache finds series by key. A look-up takes no lock and allocates nothing; a
// new key copies the map. It is safe for concurrent use.
type cache[K comparable, V any] struct {
	known atomic.Pointer[map[K]V]
	// fresh makes the series that has those label values.
	fresh  func(values []string) V
	labels func(K) []string

	mu       sync.Mutex
	overflow *V
}

func newCache[K comparable, V any](labels func(K) []string, fresh func(values []string) V) *cache[K, V] {
	c := &cache[K, V]{fresh: fresh, labels: labels}
	c.known.Store(&map[K]V{})
	return c
}

func (c *cache[K, V]) get(key K) V {
	if found, ok := (*c.known.Load())[key]; ok {
		return found
	}
	return c.add(key)
}

func (c *cache[K, V]) add(key K) V {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := *c.known.Load()
	if found, ok := known[key]; ok {
		return found
	}
	values := c.labels(key)
	if len(known) >= maxSeries {
		return c.overflowing(len(values))
	}
	made := c.fresh(values)
	known = maps.Clone(known)
	known[key] = made
	c.known.Store(&known)
	return made
}

func (c *cache[K, V]) overflowing(labels int) V {
	if c.overflow == nil {
		values := make([]string, labels)
		for i := range values {
			values[i] = Overflow
		}
		made := c.fresh(values)
		c.overflow = &made
	}
	return *c.overflow
}
