package push

import (
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// metric is one set of labels of one family, at the moment of a push.
type metric struct {
	family *dto.MetricFamily // of the name, the type and the help text
	*dto.Metric
	known *known
	gone  bool // it is no more: what follows is its end
}

// known is what a backend was told of a metric.
type known struct {
	metric metric
	round  uint64 // when it was there last
	// exemplars are the times of the newest ones that were sent, by bucket and
	// then of the metric as a whole, in milliseconds since 1970.
	exemplars []int64
}

// memory knows which metrics a backend has, and so which are gone.
type memory struct {
	round uint64
	known map[string]*known
	key   strings.Builder
}

func newMemory() *memory { return &memory{known: map[string]*known{}} }

// take makes a push of what is there now, and of what has gone since. Metrics
// that have gone come again until forget.
func (m *memory) take(families []*dto.MetricFamily) []metric {
	m.round++
	var all []metric
	for _, family := range families {
		for _, one := range family.GetMetric() {
			key := m.keyOf(family, one)
			k := m.known[key]
			if k == nil {
				k = &known{}
				m.known[key] = k
			}
			k.round = m.round
			k.metric = metric{family: family, Metric: one, known: k}
			all = append(all, k.metric)
		}
	}
	return append(all, m.gone()...)
}

// gone are the metrics that were not there in this round.
func (m *memory) gone() (all []metric) {
	for _, k := range m.known {
		if k.round != m.round {
			k.metric.gone = true
			all = append(all, k.metric)
		}
	}
	return all
}

// end has all metrics go.
func (m *memory) end() []metric {
	m.round++
	return m.gone()
}

// forget gives up those of the metrics whose end the backend has been told.
func (m *memory) forget(told []metric) {
	for i := range told {
		if told[i].gone {
			delete(m.known, m.keyOf(told[i].family, told[i].Metric))
		}
	}
}

func (m *memory) keyOf(family *dto.MetricFamily, one *dto.Metric) string {
	m.key.Reset()
	m.key.WriteString(family.GetName())
	for _, label := range one.GetLabel() {
		m.key.WriteByte(0xff)
		m.key.WriteString(label.GetName())
		m.key.WriteByte(0xff)
		m.key.WriteString(label.GetValue())
	}
	return m.key.String()
}

// news are the exemplars among those of one bucket, or of the metric, that the
// backend has not had. Prometheus takes those of a series in the order of time
// only.
func (k *known) news(place, places int, exemplars ...*dto.Exemplar) (fresh []*dto.Exemplar) {
	if len(k.exemplars) < places {
		k.exemplars = append(k.exemplars, make([]int64, places-len(k.exemplars))...)
	}
	for _, e := range exemplars {
		if e == nil {
			continue
		}
		if at := e.GetTimestamp().AsTime().UnixMilli(); at > k.exemplars[place] {
			k.exemplars[place] = at
			fresh = append(fresh, e)
		}
	}
	return fresh
}
