package push

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// stale is the value that ends a series: one of the many that are no number.
func stale() float64 { return math.Float64frombits(0x7ff0000000000002) }

// pair is a label.
type pair struct{ name, value string }

// series is what Prometheus stores of a metric: one number, or one native
// histogram.
type series struct {
	metric    *metric
	labels    []pair // sorted by name
	value     float64
	histogram *dto.Histogram // nil: value counts
	exemplars []*dto.Exemplar
}

// expander makes series out of metrics, with labels that all of them have.
type expander struct{ labels []pair }

func newExpander(labels map[string]string) expander {
	var x expander
	for name, value := range labels {
		x.labels = append(x.labels, pair{name, value})
	}
	return x
}

// expand is what a scrape of the metric in the text format has, and its native
// histogram beside that.
func (x expander) expand(m *metric) []series {
	name := m.family.GetName()
	one := func(suffix string, value float64, exemplars []*dto.Exemplar, more ...pair) series {
		s := series{metric: m, labels: x.labelsOf(m, name+suffix, more), value: value, exemplars: exemplars}
		if m.gone {
			s.value, s.exemplars = stale(), nil
		}
		return s
	}
	h := m.GetHistogram()
	if h == nil {
		exemplar := m.GetCounter().GetExemplar()
		return []series{one("", m.GetCounter().GetValue()+m.GetGauge().GetValue(), m.known.news(0, 1, exemplar))}
	}
	all := make([]series, 0, m.size())
	places := len(h.GetBucket()) + 1
	if m.isClassic() {
		all = append(all, one("_count", float64(h.GetSampleCount()), nil), one("_sum", h.GetSampleSum(), nil))
		for i, b := range h.GetBucket() {
			le := pair{"le", bound(b.GetUpperBound())}
			all = append(all, one("_bucket", float64(b.GetCumulativeCount()), m.known.news(i, places, b.GetExemplar()), le))
		}
	}
	if m.isNative() {
		native := one("", 0, m.known.news(places-1, places, byTime(h.GetExemplars())...))
		if native.histogram = h; m.gone {
			native.histogram = &dto.Histogram{SampleSum: new(stale())}
		}
		all = append(all, native)
	}
	return all
}

func byTime(exemplars []*dto.Exemplar) []*dto.Exemplar {
	return slices.SortedFunc(slices.Values(exemplars), func(a, b *dto.Exemplar) int {
		return a.GetTimestamp().AsTime().Compare(b.GetTimestamp().AsTime())
	})
}

func (x expander) labelsOf(m *metric, name string, more []pair) []pair {
	labels := append(make([]pair, 0, len(m.GetLabel())+len(x.labels)+len(more)+1), pair{"__name__", name})
	labels = append(labels, more...)
	for _, l := range m.GetLabel() {
		labels = append(labels, pair{l.GetName(), l.GetValue()})
	}
	own := len(labels)
	for _, l := range x.labels {
		if !slices.ContainsFunc(labels[:own], func(o pair) bool { return o.name == l.name }) {
			labels = append(labels, l)
		}
	}
	// An empty label is none.
	labels = slices.DeleteFunc(labels, func(l pair) bool { return l.value == "" })
	slices.SortFunc(labels, func(a, b pair) int { return cmp.Compare(a.name, b.name) })
	return labels
}

// isClassic says whether a histogram has buckets that tell anything, or nothing
// else.
func (m *metric) isClassic() bool { return len(m.GetHistogram().GetBucket()) > 1 || !m.isNative() }

func (m *metric) isNative() bool {
	h := m.GetHistogram()
	return h != nil && h.Schema != nil
}

// size is how many series expand makes of the metric.
func (m *metric) size() int {
	h := m.GetHistogram()
	if h == nil {
		return 1
	}
	n := 0
	if m.isClassic() {
		n = 2 + len(h.GetBucket())
	}
	if m.isNative() {
		n++
	}
	return n
}

// bound writes the upper bound of a bucket as Prometheus stores what it scrapes:
// a whole number as 1.0.
func bound(le float64) string {
	text := strconv.FormatFloat(le, 'g', -1, 64)
	if math.IsInf(le, 1) || strings.ContainsAny(text, "e.") {
		return text
	}
	return text + ".0"
}

// unitOf is the unit that a family's name ends in, if any.
func unitOf(family *dto.MetricFamily) string {
	if strings.HasSuffix(family.GetName(), "_seconds") {
		return "seconds"
	}
	return ""
}

// created is when a metric began to count, in milliseconds since 1970; zero
// where it does not say so.
func (m *metric) created() int64 {
	at := m.GetCounter().GetCreatedTimestamp()
	if h := m.GetHistogram(); h != nil {
		at = h.GetCreatedTimestamp()
	}
	return millis(at)
}

func millis(at *timestamppb.Timestamp) int64 {
	if at == nil {
		return 0
	}
	return at.AsTime().UnixMilli()
}
