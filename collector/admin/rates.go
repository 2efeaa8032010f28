package admin

import (
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// sampleEvery is how often counters are read for their rates.
	sampleEvery = 5 * time.Second
	// samples is how many are kept: rates are of the time between the oldest
	// and the newest of them.
	samples = 3
)

// rates tells how fast counters grow. It is safe for concurrent use.
type rates struct {
	mu    sync.Mutex
	taken []sample // the oldest first
}

// sample has counters by counterKey.
type sample struct {
	at     time.Time
	values map[string]float64
}

// separator is between the parts of a key.
const separator = "\x00"

// counterKey is a counter's name and the values of its labels, which are in the
// order of their names.
func counterKey(name string, labels ...string) string {
	return strings.Join(append([]string{name}, labels...), separator)
}

// take reads the counters that begin with waybill_.
func (r *rates) take(now time.Time, from prometheus.Gatherer) {
	families, _ := from.Gather() // What can be had is enough for a picture.
	s := sample{at: now, values: map[string]float64{}}
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "waybill_") {
			continue
		}
		for _, m := range family.GetMetric() {
			if m.Counter == nil {
				continue
			}
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			s.values[counterKey(family.GetName(), labels...)] = m.GetCounter().GetValue()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken = append(r.taken, s); len(r.taken) > samples {
		r.taken = r.taken[1:]
	}
}

// of is by how much the sum of counters grows in a second. A counter that was
// not there before has been 0. It is 0 as long as there is one sample alone.
func (r *rates) of(keys ...string) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.taken) < 2 {
		return 0
	}
	first, last := r.taken[0], r.taken[len(r.taken)-1]
	grown := 0.0
	for _, key := range keys {
		grown += last.values[key] - first.values[key]
	}
	return max(grown, 0) / last.at.Sub(first.at).Seconds()
}

// where is of, for all counters of a name whose labels are meant.
func (r *rates) where(name string, meant func(labels []string) bool) float64 {
	return r.of(r.keys(name, meant)...)
}

func (r *rates) keys(name string, meant func(labels []string) bool) (keys []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.taken) == 0 {
		return nil
	}
	for key := range r.taken[len(r.taken)-1].values {
		if labels, found := strings.CutPrefix(key, name+separator); found && meant(strings.Split(labels, separator)) {
			keys = append(keys, key)
		}
	}
	return keys
}
