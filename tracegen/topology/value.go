package topology

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

func (d *document) attributes(node *yaml.Node, what string) []Attribute {
	var all []Attribute
	d.each(node, what, func(name string, _ int, value *yaml.Node) {
		all = append(all, Attribute{name, d.value(value, what+": "+name)})
	})
	return all
}

// value reads a constant, or how to draw a value.
func (d *document) value(node *yaml.Node, what string) Value {
	if node.Kind == yaml.ScalarNode {
		return Value{Constant: d.scalar(node, what)}
	}
	var v Value
	cardinality, per, how := 0.0, "trace", 0
	d.mapping(node, what,
		key{"pattern", func(n *yaml.Node) {
			how++
			ok := false
			if v, ok = pattern(n.Value); !ok {
				d.fail(n.Line, "%s: pattern %q: want %s or %s in it", what, n.Value, numberPlace, idPlace)
			}
		}},
		key{"one_of", func(n *yaml.Node) {
			how++
			v.Pattern = PatternOneOf
			d.list(n, what+": one_of", func(n *yaml.Node) { v.OneOf = append(v.OneOf, d.scalar(n, what)) })
			if len(v.OneOf) == 0 {
				d.fail(n.Line, "%s: one_of is empty", what)
			}
		}},
		key{"int", func(n *yaml.Node) {
			how++
			v.Pattern = PatternInt
			v.Low, v.High = d.bounds(n, what+": int")
		}},
		key{"cardinality", func(n *yaml.Node) { d.number(n, what+": cardinality", 1, 1e15, &cardinality) }},
		key{"per", func(n *yaml.Node) { d.text(n, what+": per", &per) }},
	)
	v.Cardinality, v.PerSpan = uint64(cardinality), per == "span"
	switch {
	case how != 1:
		d.fail(node.Line, "%s: want one of pattern, one_of, int", what)
	case per != "trace" && per != "span":
		d.fail(node.Line, "%s: per %q: want trace or span", what, per)
	case v.Pattern == PatternNumber && v.Cardinality == 0:
		d.fail(node.Line, "%s: a pattern with %s needs its cardinality", what, numberPlace)
	}
	return v
}

func (d *document) bounds(node *yaml.Node, what string) (low, high int64) {
	if node.Kind != yaml.SequenceNode || len(node.Content) != 2 {
		d.fail(node.Line, "%s: want [least, most]", what)
		return 0, 0
	}
	var bounds [2]float64
	for i, n := range node.Content {
		d.number(follow(n), what, -math.MaxInt32, math.MaxInt32, &bounds[i])
	}
	if bounds[0] > bounds[1] {
		d.fail(node.Line, "%s: the least is more than the most", what)
		return 0, 0
	}
	return int64(bounds[0]), int64(bounds[1])
}

// scalar reads a text, a number or a truth value.
func (d *document) scalar(node *yaml.Node, what string) any {
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		d.fail(node.Line, "%s: want a text, a number, true or false", what)
		return ""
	}
	switch node.Tag {
	case "!!bool":
		return node.Value == "true"
	case "!!int":
		if n, err := strconv.ParseInt(node.Value, 0, 64); err == nil {
			return n
		}
	case "!!float":
		if f, err := strconv.ParseFloat(node.Value, 64); err == nil {
			return f
		}
	}
	return node.Value
}

// distribution reads a latency: a median, or a mapping that names a shape.
func (d *document) distribution(node *yaml.Node, what string) Distribution {
	if node.Kind == yaml.ScalarNode {
		median := 0.0
		d.duration(node, what, &median)
		return Distribution{shape: lognormal, a: median, b: usualSigma}
	}
	var out Distribution
	most, how := 0.0, 0
	shape := func(name string, read func(n *yaml.Node) Distribution) key {
		return key{name, func(n *yaml.Node) { out, how = read(n), how+1 }}
	}
	d.mapping(node, what,
		shape("constant", func(n *yaml.Node) Distribution {
			c := Distribution{shape: constant}
			d.duration(n, what+": constant", &c.a)
			return c
		}),
		shape("lognormal", func(n *yaml.Node) Distribution { return d.lognormal(n, what+": lognormal") }),
		shape("pareto", func(n *yaml.Node) Distribution { return d.pareto(n, what+": pareto") }),
		shape("percentiles", func(n *yaml.Node) Distribution { return d.percentiles(n, what+": percentiles") }),
		shape("mixture", func(n *yaml.Node) Distribution { return d.mixture(n, what+": mixture") }),
		key{"max", func(n *yaml.Node) { d.duration(n, what+": max", &most) }},
	)
	if how != 1 {
		d.fail(node.Line, "%s: want one of constant, lognormal, pareto, percentiles, mixture", what)
	}
	out.max = most
	return out
}

// z99 is the 99th percentile of the standard normal distribution.
const z99 = 2.3263478740408408

func (d *document) lognormal(node *yaml.Node, what string) Distribution {
	out := Distribution{shape: lognormal, b: usualSigma}
	p99 := 0.0
	d.mapping(node, what,
		key{"median", func(n *yaml.Node) { d.duration(n, what+": median", &out.a) }},
		key{"sigma", func(n *yaml.Node) { d.number(n, what+": sigma", 0, 10, &out.b) }},
		key{"p99", func(n *yaml.Node) { d.duration(n, what+": p99", &p99) }},
	)
	if out.a <= 0 || p99 != 0 && p99 < out.a {
		d.fail(node.Line, "%s: want a median above 0, and a p99 that is not below it", what)
		return out
	}
	if p99 != 0 {
		out.b = math.Log(p99/out.a) / z99
	}
	return out
}

func (d *document) pareto(node *yaml.Node, what string) Distribution {
	out := Distribution{shape: pareto}
	d.mapping(node, what,
		key{"min", func(n *yaml.Node) { d.duration(n, what+": min", &out.a) }},
		key{"alpha", func(n *yaml.Node) { d.number(n, what+": alpha", 0.1, 100, &out.b) }},
	)
	if out.a <= 0 || out.b <= 0 {
		d.fail(node.Line, "%s: want min above 0, and alpha", what)
	}
	return out
}

// percentiles reads p50: 10ms and the like; the least is that of p0, or half
// the first, the most that of p100, or the last.
func (d *document) percentiles(node *yaml.Node, what string) Distribution {
	out := Distribution{shape: percentiles}
	d.each(node, what, func(name string, line int, n *yaml.Node) {
		q := quantile{value: 1}
		p, err := strconv.ParseFloat(strings.TrimPrefix(name, "p"), 64)
		if err != nil || !strings.HasPrefix(name, "p") || p < 0 || p > 100 {
			d.fail(line, "%s: %q: want keys as p50 or p99.9", what, name)
		}
		d.duration(n, what+": "+name, &q.value)
		q.p, q.value = p/100, max(q.value, 1)
		out.quantiles = append(out.quantiles, q)
	})
	if len(out.quantiles) == 0 {
		d.fail(node.Line, "%s: none is given", what)
		return out
	}
	slices.SortFunc(out.quantiles, func(a, b quantile) int { return cmp.Compare(a.p, b.p) })
	for i, q := range out.quantiles[1:] {
		if q.value < out.quantiles[i].value || q.p == out.quantiles[i].p {
			d.fail(node.Line, "%s: p%v is below p%v", what, q.p*100, out.quantiles[i].p*100)
		}
	}
	if first := out.quantiles[0]; first.p > 0 {
		out.quantiles = slices.Insert(out.quantiles, 0, quantile{0, max(first.value/2, 1)})
	}
	return out
}

func (d *document) mixture(node *yaml.Node, what string) Distribution {
	out := Distribution{shape: mixture}
	total := 0.0
	d.list(node, what, func(n *yaml.Node) {
		var p part
		d.mapping(n, what,
			key{"weight", func(n *yaml.Node) { d.number(n, what+": weight", 0, 1e9, &p.weight) }},
			key{"latency", func(n *yaml.Node) { p.Distribution = d.distribution(n, what+": latency") }},
		)
		total += p.weight
		p.weight = total
		out.parts = append(out.parts, p)
	})
	if total <= 0 {
		d.fail(node.Line, "%s: the weights are nothing together", what)
		return out
	}
	for i := range out.parts {
		out.parts[i].weight /= total
	}
	return out
}
