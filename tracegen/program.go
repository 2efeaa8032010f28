package tracegen

import (
	"slices"
	"strconv"
	"time"

	"github.com/waybill-dev/waybill/tracegen/topology"
)

// program is a topology made ready: each kind of trace is a graph of nodes, and
// each span that may come has its template. It never changes, and is shared by
// all workers.
type program struct {
	scenarios []scenario
	resources []resource
	// first is each service's first resource, and count how many it has.
	first, count []int
}

// scenario is a kind of trace.
type scenario struct {
	name   string
	weight float64 // of this and those before it, of 1
	root   *node
}

// resource is one instance of a service: field 1 of a ResourceSpans, encoded.
type resource []byte

// fault numbers the errors of a topology; none is 0.
type fault int

// node is an operation within one kind of trace.
type node struct {
	latency topology.Distribution
	slow    float64
	look    variants
	steps   []step
	arising []arising
	// handlers are by fault.
	handlers []handler
}

// variants are a span's templates: the usual one, and one for each fault.
type variants struct {
	usual  *template
	failed []*template
}

// arising is a fault that comes from nowhere else.
type arising struct {
	fault fault
	rate  float64
	after int
}

// handler is what an operation does about a fault.
type handler struct {
	steps   []step
	handled bool
}

type step struct {
	parallel bool
	calls    []call
}

// call is a call that an operation makes. Where near is there, it is the
// caller's own span around the target's.
type call struct {
	*topology.Call
	near        *variants
	nearLatency topology.Distribution
	target      *node
	again       []bool // by fault: whether it is tried again
}

// compiler makes a program.
type compiler struct {
	topology  *topology.Topology
	program   *program
	services  map[*topology.Service]int
	faults    map[string]fault
	templates map[templateKey]variants
	trace     *topology.Trace
	nodes     map[nodeKey]*node
}

// templateKey tells templates apart: whose span, whether it is the caller's
// (in which service), the root, or linked.
type templateKey struct {
	operation    *topology.Operation
	caller       *topology.Service
	root, linked bool
}

type nodeKey struct {
	operation    *topology.Operation
	root, linked bool
}

func newProgram(t *topology.Topology) *program {
	c := compiler{
		topology: t, program: &program{}, services: map[*topology.Service]int{},
		faults: map[string]fault{}, templates: map[templateKey]variants{},
	}
	for i, s := range t.Services {
		c.services[s] = i
		c.program.first = append(c.program.first, len(c.program.resources))
		c.program.count = append(c.program.count, s.Instances)
		for instance := range s.Instances {
			c.program.resources = append(c.program.resources, newResource(t, s, instance))
		}
		for _, o := range s.Operations {
			for _, e := range o.Errors {
				if c.faults[e.Name] == 0 {
					c.faults[e.Name] = fault(len(c.faults) + 1)
				}
			}
		}
	}
	total := 0.0
	for _, trace := range t.Traces {
		total += trace.Weight
	}
	sum := 0.0
	for _, trace := range t.Traces {
		c.trace, c.nodes = trace, map[nodeKey]*node{}
		sum += trace.Weight / total
		c.program.scenarios = append(c.program.scenarios, scenario{trace.Name, sum, c.node(trace.Start, true, false)})
	}
	return c.program
}

func newResource(t *topology.Topology, s *topology.Service, instance int) resource {
	attributes := override([]topology.Attribute{
		topology.Text("service.name", s.Name), topology.Text("service.instance.id", s.Name+"-"+strconv.Itoa(instance+1)),
	}, t.Resource)
	attributes = override(attributes, s.Resource)
	var encoded []byte
	for _, a := range attributes {
		if a.Value.Pattern == topology.PatternNone {
			encoded = appendAttribute(encoded, 1, a.Key, a.Value.Constant)
			continue
		}
		// A resource has no trace: what is drawn is a function of the instance.
		v := newVariable(a, 1)
		encoded = v.append(encoded, uint64(instance), uint64(instance))
	}
	return appendBytes(nil, 1, encoded)
}

// override puts some attributes in the place of those with the same key, and
// the others behind them.
func override(attributes, with []topology.Attribute) []topology.Attribute {
	out := slices.Clone(attributes)
	for _, a := range with {
		at := slices.IndexFunc(out, func(b topology.Attribute) bool { return a.Key == b.Key })
		if at < 0 {
			out = append(out, a)
		} else {
			out[at] = a
		}
	}
	return out
}

func (c *compiler) node(o *topology.Operation, root, linked bool) *node {
	key := nodeKey{o, root, linked}
	if n := c.nodes[key]; n != nil {
		return n
	}
	n := &node{latency: o.Latency, slow: 1, look: c.server(o, root, linked), handlers: make([]handler, len(c.faults)+1)}
	c.nodes[key] = n
	if slow, ok := c.trace.Slow[o]; ok {
		n.slow = slow
	}
	n.steps = c.steps(o, o.Steps)
	forced := c.trace.Errors[o]
	for _, e := range o.Errors {
		n.handlers[c.faults[e.Name]] = handler{c.steps(o, e.Steps), e.Handled}
		a := arising{c.faults[e.Name], e.Rate, e.After}
		if e.Name == forced {
			a.rate = 1
		} else if forced != "" {
			continue
		}
		if a.after < 0 {
			a.after = len(n.steps)
		}
		if a.rate > 0 {
			n.arising = append(n.arising, a)
		}
	}
	return n
}

func (c *compiler) steps(from *topology.Operation, steps []topology.Step) []step {
	out := make([]step, 0, len(steps))
	for _, s := range steps {
		compiled := step{parallel: s.Parallel}
		for _, to := range s.Calls {
			if !c.trace.Lost[to.To] {
				compiled.calls = append(compiled.calls, c.call(from, to))
			}
		}
		out = append(out, compiled)
	}
	return out
}

func (c *compiler) call(from *topology.Operation, to *topology.Call) call {
	near := to.To.Client != nil && to.To.Service != from.Service
	out := call{Call: to, target: c.node(to.To, false, to.Async), again: make([]bool, len(c.faults)+1)}
	if near {
		v := c.client(to.To, from.Service)
		out.near, out.nearLatency = &v, to.To.Client.Latency
	}
	for name, id := range c.faults {
		out.again[id] = to.Attempts > 1 && (len(to.RetryOn) == 0 || slices.Contains(to.RetryOn, name))
	}
	return out
}

// server makes the templates of an operation's own span.
func (c *compiler) server(o *topology.Operation, root, linked bool) variants {
	usual := look{
		service: c.services[o.Service], name: o.Name, kind: o.Kind, attributes: o.Attributes, events: o.Events, logs: o.Logs, root: root, linked: linked,
	}
	return c.variants(templateKey{o, nil, root, linked}, usual, func(name string) *topology.Error { return o.Error(name) })
}

// client makes the templates of a caller's span. Where it says nothing of an
// error, it shows what the operation that it calls shows, as an Error.
func (c *compiler) client(o *topology.Operation, caller *topology.Service) variants {
	usual := look{
		service: c.services[caller], name: o.Client.Name, kind: o.Client.Kind, attributes: o.Client.Attributes, near: true,
	}
	return c.variants(templateKey{o, caller, false, false}, usual, func(name string) *topology.Error {
		if e := o.Client.Error(name); e != nil {
			return e
		}
		e := o.Error(name)
		if e == nil {
			return nil
		}
		shown := *e
		shown.Unset = false
		return &shown
	})
}

func (c *compiler) variants(key templateKey, usual look, of func(name string) *topology.Error) variants {
	if v, ok := c.templates[key]; ok {
		return v
	}
	v := variants{usual: newTemplate(usual), failed: make([]*template, len(c.faults)+1)}
	for name, id := range c.faults {
		e := of(name)
		if e == nil {
			e = &topology.Error{Name: name}
		}
		failed := usual
		failed.attributes = override(usual.attributes, e.Attributes)
		if !usual.near {
			failed.endLogs = e.Logs // The caller's span is not the operation.
		}
		if !e.Unset {
			failed.failed, failed.message = true, e.Message
			failed.attributes = override(failed.attributes, []topology.Attribute{topology.Text("error.type", errorType(e))})
		}
		v.failed[id] = newTemplate(failed)
	}
	c.templates[key] = v
	return v
}

func errorType(e *topology.Error) string {
	if e.Type != "" {
		return e.Type
	}
	return e.Name
}

// of is the template of a span that ends with a fault, or without.
func (v *variants) of(f fault) *template {
	if f == 0 {
		return v.usual
	}
	return v.failed[f]
}

// scale makes a duration longer by a factor.
func scale(d time.Duration, factor float64) time.Duration {
	if factor == 1 {
		return d
	}
	return time.Duration(float64(d) * factor)
}
