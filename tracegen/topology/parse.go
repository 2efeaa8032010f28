package topology

import (
	"fmt"
	"math"
	"os"

	"go.yaml.in/yaml/v3"
)

// The bounds of what a topology may ask for.
const (
	maxRepetitions = 10_000
	maxAttempts    = 100
	// MaxInstances is how many instances a service may have at most.
	MaxInstances = 10_000
	// MaxSpans is how many spans a trace may have at most.
	MaxSpans = 200_000
)

// Load returns a topology that is built in, or reads one from a file.
func Load(nameOrFile string) (*Topology, error) {
	if t, err := Builtin(nameOrFile); err == nil {
		return t, nil
	}
	data, err := os.ReadFile(nameOrFile) //nolint:gosec // whoever runs the command names the file
	if err != nil {
		return nil, fmt.Errorf("topology %q is not built in (%v), and no file: %w", nameOrFile, Names(), err)
	}
	return Parse(nameOrFile, data)
}

// Parse reads a topology. Its errors name each wrong line of the file, and why
// it is wrong.
func Parse(name string, data []byte) (*Topology, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d := &document{name: name}
	t := &Topology{Name: name, Source: data}
	if len(root.Content) == 0 {
		return nil, fmt.Errorf("%s:1: the topology is empty", name)
	}
	d.topology(root.Content[0], t)
	if d.err() == nil {
		d.check(t)
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return t, nil
}

// unresolved are the traces' references to operations, which may be defined
// after them.
type unresolved struct {
	ref  string
	line int
	set  func(*Operation)
}

func (d *document) topology(node *yaml.Node, t *Topology) {
	var open []unresolved
	d.mapping(node, "topology",
		key{"name", func(n *yaml.Node) { d.text(n, "name", &t.Name) }},
		key{"description", func(n *yaml.Node) { d.text(n, "description", &t.Description) }},
		key{"definitions", func(*yaml.Node) {}}, // for anchors
		key{"resource", func(n *yaml.Node) { t.Resource = d.attributes(n, "resource") }},
		key{"services", func(n *yaml.Node) {
			d.each(n, "services", func(name string, line int, value *yaml.Node) {
				t.Services = append(t.Services, d.service(name, line, value))
			})
		}},
		key{"traces", func(n *yaml.Node) {
			d.list(n, "traces", func(n *yaml.Node) {
				trace, refs := d.trace(n)
				t.Traces = append(t.Traces, trace)
				open = append(open, refs...)
			})
		}},
	)
	d.resolve(t)
	for _, u := range open {
		if o := t.Find(u.ref); o != nil {
			u.set(o)
		} else {
			d.unknown(t, u.ref, u.line)
		}
	}
}

func (d *document) service(name string, line int, node *yaml.Node) *Service {
	s := &Service{Name: name, Instances: 1, line: line}
	what := "service " + name
	d.mapping(node, what,
		key{"instances", func(n *yaml.Node) { d.count(n, what+": instances", 1, MaxInstances, &s.Instances) }},
		key{"resource", func(n *yaml.Node) { s.Resource = d.attributes(n, what+": resource") }},
		key{"metrics", func(n *yaml.Node) {
			d.each(n, what+": metrics", func(name string, _ int, value *yaml.Node) {
				s.Metrics = append(s.Metrics, d.metric(name, value, what+": metric "+name))
			})
		}},
		key{"operations", func(n *yaml.Node) {
			d.each(n, what+": operations", func(name string, line int, value *yaml.Node) {
				s.Operations = append(s.Operations, d.operation(s, name, line, value))
			})
		}},
	)
	return s
}

func (d *document) operation(s *Service, name string, line int, node *yaml.Node) *Operation {
	o := &Operation{Key: name, Name: name, Kind: Server, Service: s, Latency: LogNormal(1e6, usualSigma), line: line}
	what := s.Name + "/" + name
	clientless := false
	d.mapping(node, what,
		key{"name", func(n *yaml.Node) { d.text(n, what+": name", &o.Name) }},
		key{"kind", func(n *yaml.Node) { d.kind(n, what, &o.Kind) }},
		key{"latency", func(n *yaml.Node) { o.Latency = d.distribution(n, what+": latency") }},
		key{"attributes", func(n *yaml.Node) { o.Attributes = d.attributes(n, what+": attributes") }},
		key{"events", func(n *yaml.Node) {
			d.list(n, what+": events", func(n *yaml.Node) { o.Events = append(o.Events, d.event(n, what)) })
		}},
		key{"logs", func(n *yaml.Node) { o.Logs = d.logs(n, what) }},
		key{"client", func(n *yaml.Node) {
			if clientless = n.Tag == "!!bool" && n.Value == "false"; !clientless {
				o.Client = d.client(n, what+": client")
			}
		}},
		key{"errors", func(n *yaml.Node) { o.Errors = d.errors(n, what) }},
		key{"calls", func(n *yaml.Node) { o.Steps = d.steps(n, what+": calls") }},
	)
	if o.Kind == Server && o.Client == nil && !clientless {
		o.Client = &Client{Kind: ClientKind, Latency: LogNormal(300e3, usualSigma)}
	}
	if o.Client != nil && o.Client.Name == "" {
		o.Client.Name = o.Name
	}
	for _, e := range o.Errors {
		if e.After > len(o.Steps) {
			d.fail(e.line, "%s: error %s: after %d calls: there are %d", what, e.Name, e.After, len(o.Steps))
		}
	}
	for _, e := range o.Events {
		if e.After > len(o.Steps) {
			d.fail(o.line, "%s: event %s: after %d calls: there are %d", what, e.Name, e.After, len(o.Steps))
		}
	}
	for _, l := range o.Logs {
		if l.After > len(o.Steps) {
			d.fail(o.line, "%s: log %q: after %d calls: there are %d", what, l.Body, l.After, len(o.Steps))
		}
	}
	return o
}

func (d *document) client(node *yaml.Node, what string) *Client {
	c := &Client{Kind: ClientKind, Latency: LogNormal(300e3, usualSigma)}
	d.mapping(node, what,
		key{"name", func(n *yaml.Node) { d.text(n, what+": name", &c.Name) }},
		key{"kind", func(n *yaml.Node) { d.kind(n, what, &c.Kind) }},
		key{"latency", func(n *yaml.Node) { c.Latency = d.distribution(n, what+": latency") }},
		key{"attributes", func(n *yaml.Node) { c.Attributes = d.attributes(n, what+": attributes") }},
		key{"errors", func(n *yaml.Node) { c.Errors = d.errors(n, what) }},
	)
	return c
}

func (d *document) kind(node *yaml.Node, what string, into *Kind) {
	kind, ok := kinds[node.Value]
	if !ok {
		d.fail(node.Line, "%s: kind %q: want internal, server, client, producer or consumer", what, node.Value)
		return
	}
	*into = kind
}

func (d *document) event(node *yaml.Node, what string) Event {
	e := Event{After: 0}
	d.mapping(node, what+": event",
		key{"name", func(n *yaml.Node) { d.text(n, what+": event: name", &e.Name) }},
		key{"after", func(n *yaml.Node) { d.count(n, what+": event: after", 0, math.MaxInt32, &e.After) }},
		key{"attributes", func(n *yaml.Node) { e.Attributes = d.attributes(n, what+": event: attributes") }},
	)
	if e.Name == "" {
		d.fail(node.Line, "%s: an event has no name", what)
	}
	for _, a := range e.Attributes {
		if a.Value.Constant == nil {
			d.fail(node.Line, "%s: event %s: %s: an event's attributes are constants", what, e.Name, a.Key)
		}
	}
	return e
}

func (d *document) errors(node *yaml.Node, what string) []*Error {
	var all []*Error
	d.each(node, what+": errors", func(name string, line int, value *yaml.Node) {
		e := &Error{Name: name, Type: "", After: -1, line: line}
		at := what + ": error " + name
		all = append(all, e)
		d.mapping(value, at,
			key{"rate", func(n *yaml.Node) { d.number(n, at+": rate", 0, 1, &e.Rate) }},
			key{"after", func(n *yaml.Node) { d.count(n, at+": after", 0, math.MaxInt32, &e.After) }},
			key{"status", func(n *yaml.Node) {
				if e.Unset = n.Value == "unset"; !e.Unset && n.Value != "error" {
					d.fail(n.Line, "%s: status %q: want error or unset", at, n.Value)
				}
			}},
			key{"type", func(n *yaml.Node) { d.text(n, at+": type", &e.Type) }},
			key{"message", func(n *yaml.Node) { d.text(n, at+": message", &e.Message) }},
			key{"attributes", func(n *yaml.Node) { e.Attributes = d.attributes(n, at+": attributes") }},
			key{"handled", func(n *yaml.Node) { d.flag(n, at+": handled", &e.Handled) }},
			key{"calls", func(n *yaml.Node) { e.Steps = d.steps(n, at+": calls") }},
			key{"logs", func(n *yaml.Node) { e.Logs = d.logs(n, at) }},
		)
	})
	return all
}
