package topology

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// steps reads a list of calls, of which some are made at once.
func (d *document) steps(node *yaml.Node, what string) []Step {
	var steps []Step
	d.list(node, what, func(n *yaml.Node) {
		if n.Kind != yaml.MappingNode || len(n.Content) != 2 || n.Content[0].Value != "parallel" {
			steps = append(steps, Step{Calls: []*Call{d.call(n, what)}})
			return
		}
		step := Step{Parallel: true}
		d.list(n.Content[1], what+": parallel", func(n *yaml.Node) { step.Calls = append(step.Calls, d.call(n, what)) })
		steps = append(steps, step)
	})
	return steps
}

// call reads a call: the reference of an operation, or a mapping with more to
// say.
func (d *document) call(node *yaml.Node, what string) *Call {
	c := &Call{Probability: 1, Least: 1, Most: 1, Attempts: 1, line: node.Line}
	if node.Kind == yaml.ScalarNode {
		d.text(node, what, &c.to)
		return c
	}
	cached := 0.0
	d.mapping(node, what,
		key{"to", func(n *yaml.Node) { d.text(n, what+": to", &c.to) }},
		key{"probability", func(n *yaml.Node) { d.number(n, what+": probability", 0, 1, &c.Probability) }},
		key{"cached", func(n *yaml.Node) { d.number(n, what+": cached", 0, 1, &cached) }},
		key{"count", func(n *yaml.Node) { d.repetitions(n, what+": count", c) }},
		key{"retry", func(n *yaml.Node) { d.retry(n, what+": retry", c) }},
		key{"async", func(n *yaml.Node) { d.flag(n, what+": async", &c.Async) }},
		key{"after", func(n *yaml.Node) { c.After = d.distribution(n, what+": after") }},
		key{"optional", func(n *yaml.Node) { d.flag(n, what+": optional", &c.Optional) }},
	)
	c.Probability *= 1 - cached
	if c.to == "" {
		d.fail(node.Line, "%s: a call says nothing of to", what)
	}
	if c.After.shape != constant && !c.Async {
		d.fail(node.Line, "%s: after is for async calls", what)
	}
	return c
}

// repetitions reads a count, or the least and the most.
func (d *document) repetitions(node *yaml.Node, what string, c *Call) {
	if node.Kind == yaml.ScalarNode {
		d.count(node, what, 0, maxRepetitions, &c.Least)
		c.Most = c.Least
		return
	}
	if node.Kind != yaml.SequenceNode || len(node.Content) != 2 {
		d.fail(node.Line, "%s: want a number, or [least, most]", what)
		return
	}
	d.count(follow(node.Content[0]), what, 0, maxRepetitions, &c.Least)
	d.count(follow(node.Content[1]), what, c.Least, maxRepetitions, &c.Most)
}

func (d *document) retry(node *yaml.Node, what string, c *Call) {
	d.mapping(node, what,
		key{"attempts", func(n *yaml.Node) { d.count(n, what+": attempts", 1, maxAttempts, &c.Attempts) }},
		key{"backoff", func(n *yaml.Node) { c.Backoff = d.distribution(n, what+": backoff") }},
		key{"on", func(n *yaml.Node) {
			d.list(n, what+": on", func(n *yaml.Node) {
				name := ""
				d.text(n, what+": on", &name)
				c.RetryOn = append(c.RetryOn, name)
			})
		}},
	)
}

// resolve finds what each call calls.
func (d *document) resolve(t *Topology) {
	for _, s := range t.Services {
		for _, o := range s.Operations {
			for c := range o.calls() {
				c.To = t.from(s, c.to)
				if c.To == nil {
					d.unknown(t, c.to, c.line)
				}
			}
		}
	}
}

// from finds what a service refers to: an operation of its own by its key, or
// any by service/operation.
func (t *Topology) from(s *Service, ref string) *Operation {
	for _, o := range s.Operations {
		if o.Key == ref {
			return o
		}
	}
	return t.Find(ref)
}

func (d *document) unknown(t *Topology, ref string, line int) {
	name, operation, qualified := strings.Cut(ref, "/")
	at := slices.IndexFunc(t.Services, func(s *Service) bool { return s.Name == name })
	if at >= 0 && qualified {
		d.fail(line, "service %s has no operation %q", name, operation)
		return
	}
	known := make([]string, 0, len(t.Services))
	for _, s := range t.Services {
		known = append(known, s.Name)
	}
	d.fail(line, "%q is no operation of this service, and no service/operation: services are %s", ref, strings.Join(known, ", "))
}

// calls visits all calls that an operation may make.
func (o *Operation) calls() func(yield func(*Call) bool) {
	return func(yield func(*Call) bool) {
		lists := [][]Step{o.Steps}
		for _, e := range o.Errors {
			lists = append(lists, e.Steps)
		}
		for _, steps := range lists {
			for _, step := range steps {
				for _, c := range step.Calls {
					if !yield(c) {
						return
					}
				}
			}
		}
	}
}

// trace reads a kind of trace, and what its references are to be set to.
func (d *document) trace(node *yaml.Node) (*Trace, []unresolved) {
	t := &Trace{Weight: 1, Errors: map[*Operation]string{}, Slow: map[*Operation]float64{}, Lost: map[*Operation]bool{}, line: node.Line}
	var open []unresolved
	start := ""
	d.mapping(node, "trace",
		key{"name", func(n *yaml.Node) { d.text(n, "trace: name", &t.Name) }},
		key{"weight", func(n *yaml.Node) { d.number(n, "trace: weight", 0, 1e9, &t.Weight) }},
		key{"start", func(n *yaml.Node) {
			d.text(n, "trace: start", &start)
			open = append(open, unresolved{start, n.Line, func(o *Operation) { t.Start = o }})
		}},
		key{"errors", func(n *yaml.Node) {
			d.each(n, "trace: errors", func(ref string, line int, n *yaml.Node) {
				open = append(open, unresolved{ref, line, func(o *Operation) {
					if o.Error(n.Value) == nil {
						d.fail(n.Line, "%s has no error %q", ref, n.Value)
					}
					t.Errors[o] = n.Value
				}})
			})
		}},
		key{"slow", func(n *yaml.Node) {
			d.each(n, "trace: slow", func(ref string, line int, n *yaml.Node) {
				factor := 1.0
				d.number(n, "trace: slow: "+ref, 0, 1e6, &factor)
				open = append(open, unresolved{ref, line, func(o *Operation) { t.Slow[o] = factor }})
			})
		}},
		key{"lost", func(n *yaml.Node) {
			d.list(n, "trace: lost", func(n *yaml.Node) {
				open = append(open, unresolved{n.Value, n.Line, func(o *Operation) { t.Lost[o] = true }})
			})
		}},
	)
	if start == "" {
		d.fail(node.Line, "trace: start is missing: which operation does it begin with?")
	}
	if t.Name == "" {
		t.Name = "from " + start
	}
	return t, open
}
