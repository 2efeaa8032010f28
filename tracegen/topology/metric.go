package topology

import (
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Metric is what an instance of a service measures.
type Metric struct {
	Name, Description, Unit string
	Type                    MetricType
	// Rate is how often a second something is counted, by all series of an
	// instance together.
	Rate float64
	// Low and High are what a gauge lies between.
	Low, High float64
	// Latency is what a histogram measures, in seconds.
	Latency Distribution
	// Series are the attributes of each series.
	Series [][]Attribute
}

// MetricType is what a metric is.
type MetricType uint8

// The types: a sum that only grows, a value that goes up and down, and a
// distribution with the buckets of durations that the semantic conventions
// have.
const (
	Counter MetricType = iota + 1
	Gauge
	Histogram
)

var metricTypes = map[string]MetricType{"counter": Counter, "gauge": Gauge, "histogram": Histogram}

// maxSeries bounds the series of one metric of one instance.
const maxSeries = 10_000

func (d *document) metric(name string, node *yaml.Node, what string) *Metric {
	m := &Metric{Name: name, Rate: 1, Latency: LogNormal(1e6, usualSigma)}
	var between [2]float64
	var attributes []Attribute
	given := false
	d.mapping(node, what,
		key{"type", func(n *yaml.Node) {
			if m.Type = metricTypes[n.Value]; m.Type == 0 {
				d.fail(n.Line, "%s: type %q: want counter, gauge or histogram", what, n.Value)
			}
		}},
		key{"unit", func(n *yaml.Node) { d.text(n, what+": unit", &m.Unit) }},
		key{"description", func(n *yaml.Node) { d.text(n, what+": description", &m.Description) }},
		key{"rate", func(n *yaml.Node) { d.number(n, what+": rate", 0, 1e9, &m.Rate) }},
		key{"between", func(n *yaml.Node) {
			if n.Kind != yaml.SequenceNode || len(n.Content) != 2 {
				d.fail(n.Line, "%s: between: want [least, most]", what)
				return
			}
			for i, bound := range n.Content {
				d.number(follow(bound), what+": between", -1e15, 1e15, &between[i])
			}
			given = true
			if between[0] > between[1] {
				d.fail(n.Line, "%s: between: the least is more than the most", what)
			}
		}},
		key{"latency", func(n *yaml.Node) { m.Latency = d.distribution(n, what+": latency") }},
		key{"attributes", func(n *yaml.Node) { attributes = d.attributes(n, what+": attributes") }},
	)
	m.Low, m.High = between[0], between[1]
	if node.Kind == yaml.MappingNode && m.Type == 0 && len(d.errs) == 0 {
		d.fail(node.Line, "%s: the type is missing: want counter, gauge or histogram", what)
	}
	if m.Type == Gauge && !given {
		d.fail(node.Line, "%s: a gauge needs between: [least, most]", what)
	}
	m.Series = d.series(attributes, node.Line, what)
	return m
}

// series are all combinations of values: each one_of has several, and each
// pattern as many as its cardinality.
func (d *document) series(attributes []Attribute, line int, what string) [][]Attribute {
	all := [][]Attribute{nil}
	for _, a := range attributes {
		values := a.Value.all()
		if values == nil {
			d.fail(line, "%s: %s: want a constant, one_of, or a pattern with {n}: each value is a series", what, a.Key)
			return nil
		}
		if len(values)*len(all) > maxSeries {
			d.fail(line, "%s: more than %d series", what, maxSeries)
			return nil
		}
		var more [][]Attribute
		for _, before := range all {
			for _, value := range values {
				more = append(more, append(slices.Clip(before), Attribute{a.Key, Value{Constant: value}}))
			}
		}
		all = more
	}
	return all
}

// all are all values that there may be; nil where they cannot be listed.
func (v Value) all() []any {
	switch {
	case v.Pattern == PatternNone:
		return []any{v.Constant}
	case v.Pattern == PatternOneOf:
		return v.OneOf
	case v.Pattern == PatternNumber && v.Cardinality <= maxSeries:
		out := make([]any, 0, v.Cardinality)
		for n := range v.Cardinality {
			out = append(out, v.Prefix+strconv.FormatUint(n, 10)+v.Suffix)
		}
		return out
	}
	return nil
}
