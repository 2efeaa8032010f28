package push

import (
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
)

const (
	// endFor is for how long the end of a series is told again and again. Then
	// Prometheus has let go of it by itself.
	endFor = 5 * time.Minute
	// maxGone bounds the metrics whose end has yet to be told.
	maxGone = 50_000
)

// metric is one set of labels of one family, at the moment of a push.
type metric struct {
	family *dto.MetricFamily // of the name, the type and the help text
	*dto.Metric
	known *known
	gone  bool // it is no more: what is sent is its end
}

// known is what is remembered of a metric that a backend was told of. It does
// not hold on to what was gathered.
type known struct {
	metric metric // as it will be when it has gone
	round  uint64 // when it was there last
	seen   time.Time
	// exemplars are the times of the newest ones that were sent, by bucket and
	// then of the metric as a whole, in milliseconds since 1970.
	exemplars []int64
}

// memory knows which metrics a backend has, and so which are gone.
type memory struct {
	round    uint64
	known    map[string]*known
	families map[string]*dto.MetricFamily // without metrics
	key      strings.Builder
}

func newMemory() *memory {
	return &memory{known: map[string]*known{}, families: map[string]*dto.MetricFamily{}}
}

// take makes a push of what is there now, and of what has gone since. Metrics
// that have gone come again until forget, or for endFor.
func (m *memory) take(families []*dto.MetricFamily, now time.Time) []metric {
	m.round++
	var all []metric
	for _, family := range families {
		for _, one := range family.GetMetric() {
			key := m.keyOf(family.GetName(), one.GetLabel())
			k := m.known[key]
			if k == nil {
				k = &known{}
				k.metric = metric{family: m.familyOf(family), Metric: shapeOf(one), known: k, gone: true}
				m.known[key] = k
			}
			k.round, k.seen = m.round, now
			all = append(all, metric{family: k.metric.family, Metric: one, known: k})
		}
	}
	return append(all, m.gone(now)...)
}

// gone are the metrics that were not there in this round. Those beyond a bound
// are forgotten.
func (m *memory) gone(now time.Time) (all []metric) {
	for key, k := range m.known {
		switch {
		case k.round == m.round:
		case now.Sub(k.seen) > endFor, len(all) >= maxGone:
			delete(m.known, key)
		default:
			all = append(all, k.metric)
		}
	}
	return all
}

// end has all metrics go.
func (m *memory) end(now time.Time) []metric {
	m.round++
	return m.gone(now)
}

// forget gives up those of the metrics whose end the backend has been told.
func (m *memory) forget(told []metric) {
	for i := range told {
		if told[i].gone {
			delete(m.known, m.keyOf(told[i].family.GetName(), told[i].GetLabel()))
		}
	}
}

func (m *memory) familyOf(family *dto.MetricFamily) *dto.MetricFamily {
	f := m.families[family.GetName()]
	if f == nil {
		f = &dto.MetricFamily{Name: family.Name, Help: family.Help, Type: family.Type}
		m.families[family.GetName()] = f
	}
	return f
}

// shapeOf is what the end of a metric needs: its labels and which series it has.
func shapeOf(one *dto.Metric) *dto.Metric {
	shape := &dto.Metric{Label: one.GetLabel()}
	if h := one.GetHistogram(); h != nil {
		shape.Histogram = &dto.Histogram{Schema: h.Schema}
		for _, b := range h.GetBucket() {
			shape.Histogram.Bucket = append(shape.Histogram.Bucket, &dto.Bucket{UpperBound: b.UpperBound})
		}
	}
	return shape
}

func (m *memory) keyOf(name string, labels []*dto.LabelPair) string {
	m.key.Reset()
	m.key.WriteString(name)
	for _, label := range labels {
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
