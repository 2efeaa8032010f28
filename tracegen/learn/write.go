package learn

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/waybill-dev/waybill/tracegen/topology"
)

// writer collects operations, and writes the topology.
type writer struct {
	name       string
	operations map[operationKey]*operation
	services   []*service
	byName     map[string]*service
	known      map[string]bool // the names of all services
	traces     []string
}

// service is a program, with the operations that it had.
type service struct {
	called     string
	instances  map[string]bool
	resource   attributes
	seen       map[any]bool // resources that were looked at
	operations []*operation
	keys       map[string]int
}

func newWriter(name string, services map[string]bool) *writer {
	return &writer{name: name, known: services, operations: map[operationKey]*operation{}, byName: map[string]*service{}}
}

// learn learns from traces of one shape and tempo, which are so frequent.
func (w *writer) learn(roots []*node, tempo tempo, weight float64) {
	var start *operation
	for _, root := range roots {
		start = w.operation(root, tempo)
	}
	name := start.first.GetName()
	if tempo.of > 1 {
		name += fmt.Sprintf(", %d of %d by speed", tempo.index+1, tempo.of)
	}
	w.traces = append(w.traces, fmt.Sprintf("{name: %s, weight: %.9g, start: %s}",
		strconv.Quote(fmt.Sprintf("%s (%d)", name, len(w.traces)+1)), weight, strconv.Quote(start.first.service+"/"+start.key)))
}

// operation learns from a span and all below it.
func (w *writer) operation(n *node, tempo tempo) *operation {
	key := operationKey{n.shape, tempo}
	o := w.operations[key]
	isNew := o == nil
	if isNew {
		o = &operation{first: n, after: make([][]float64, len(n.later)), events: make([]attributes, len(n.GetEvents()))}
		w.operations[key] = o
	}
	w.service(n).add(n)
	if isNew {
		w.service(n).name(o, w.known)
	}
	o.add(n)
	for _, step := range n.steps {
		var called []*operation
		for _, c := range step {
			called = append(called, w.operation(c, tempo))
		}
		if isNew {
			o.steps = append(o.steps, called)
		}
	}
	for _, c := range n.later {
		called := w.operation(c, tempo)
		if isNew {
			o.later = append(o.later, called)
		}
	}
	return o
}

func (w *writer) service(n *node) *service {
	s := w.byName[n.service]
	if s == nil {
		s = &service{called: n.service, instances: map[string]bool{}, seen: map[any]bool{}, keys: map[string]int{}}
		w.byName[n.service] = s
		w.services = append(w.services, s)
	}
	return s
}

// add counts the instance.
func (s *service) add(n *node) {
	if !s.seen[n.Resource] {
		s.seen[n.Resource] = true
		s.resource.add(n.Resource.GetAttributes())
		for _, a := range n.Resource.GetAttributes() {
			if a.GetKey() == "service.instance.id" {
				s.instances[a.GetValue().GetStringValue()] = true
			}
		}
	}
}

// name gives a new operation its key. One that reads like another service's
// operation would be taken for that.
func (s *service) name(o *operation, services map[string]bool) {
	name := spanName(o.first)
	if before, _, found := strings.Cut(name, "/"); found && services[before] {
		name = "operation " + name
	}
	s.keys[name]++
	if o.key = name; s.keys[name] > 1 {
		o.key = fmt.Sprintf("%s #%d", name, s.keys[name])
	}
	s.operations = append(s.operations, o)
}

// spanName is the span's name, which a topology must have.
func spanName(n *node) string {
	if n.GetName() == "" {
		return "unnamed"
	}
	return strings.ToValidUTF8(n.GetName(), "\uFFFD")
}

// yaml writes all down, each operation in a line.
func (w *writer) yaml(of Result) (text []byte, dropped []string) {
	left := map[string]bool{}
	var out strings.Builder
	fmt.Fprintf(&out, "# Learnt from %d traces of %d shapes.\nname: %s\ndescription: learnt from %d traces\nservices:\n",
		of.Traces, of.Shapes, strconv.Quote(w.name), of.Traces)
	for _, s := range w.services {
		fmt.Fprintf(&out, "  %s:\n", strconv.Quote(s.called))
		if n := min(len(s.instances), topology.MaxInstances); n > 1 {
			fmt.Fprintf(&out, "    instances: %d\n", n)
		}
		if constants := s.constants(); len(constants) > 0 {
			fmt.Fprintf(&out, "    resource: {%s}\n", strings.Join(constants, ", "))
		}
		out.WriteString("    operations:\n")
		for _, o := range s.operations {
			fmt.Fprintf(&out, "      %s: {%s}\n", strconv.Quote(o.key), strings.Join(o.write(left), ", "))
		}
	}
	out.WriteString("traces:\n")
	for _, t := range w.traces {
		fmt.Fprintf(&out, "  - %s\n", t)
	}
	return []byte(out.String()), slices.Sorted(maps.Keys(left))
}

// constants are the attributes of the resource that all instances have alike.
func (s *service) constants() []string {
	var out []string
	for _, key := range s.resource.order {
		v := s.resource.values[key]
		if key != "service.name" && key != "service.instance.id" && !v.dropped && len(v.counts) == 1 && v.n == s.resource.spans {
			out = append(out, strconv.Quote(key)+": "+v.write())
		}
	}
	return out
}

// kinds are the names of a topology, by OTLP's number; 0 is none.
var kinds = []topology.Kind{topology.Internal, topology.Internal, topology.Server, topology.ClientKind, topology.Producer, topology.Consumer}

// write writes the parts of an operation.
func (o *operation) write(dropped map[string]bool) []string {
	kind := kinds[0]
	if at := int(o.first.GetKind()); at < len(kinds) {
		kind = kinds[at]
	}
	parts := []string{"kind: " + kind.String(), "latency: " + latency(o.own)}
	if o.key != spanName(o.first) {
		parts = append(parts, "name: "+strconv.Quote(spanName(o.first)))
	}
	if kind == topology.Server {
		parts = append(parts, "client: false") // The caller's span is a span of its own.
	}
	if pairs := o.attributes.write(dropped); len(pairs) > 0 {
		parts = append(parts, "attributes: {"+strings.Join(pairs, ", ")+"}")
	}
	if o.first.failed() {
		parts = append(parts, o.fault())
	}
	if events := o.writeEvents(); len(events) > 0 {
		parts = append(parts, "events: ["+strings.Join(events, ", ")+"]")
	}
	if calls := o.calls(); len(calls) > 0 {
		parts = append(parts, "calls: ["+strings.Join(calls, ", ")+"]")
	}
	return parts
}

// fault is the error that such an operation always ends with. Its callers go
// on: what they make of it is in their own shape.
func (o *operation) fault() string {
	parts := []string{"rate: 1"}
	if message := o.first.GetStatus().GetMessage(); message != "" {
		parts = append(parts, "message: "+strconv.Quote(strings.ToValidUTF8(message, "\uFFFD")))
	}
	if v := o.attributes.values["error.type"]; v != nil && v.kind == "text" {
		texts := slices.Sorted(maps.Keys(v.counts))
		most := slices.MaxFunc(texts, func(a, b string) int { return v.counts[a] - v.counts[b] })
		if most != `""` {
			parts = append(parts, "type: "+most)
		}
	}
	return "errors: {failed: {" + strings.Join(parts, ", ") + "}}"
}

// writeEvents writes the events, each after the calls that were over by then.
func (o *operation) writeEvents() []string {
	var out []string
	calls := len(o.compressed())
	for i, e := range o.first.GetEvents() {
		name := strings.ToValidUTF8(e.GetName(), "\uFFFD")
		if name == "" {
			name = "unnamed"
		}
		parts := []string{"name: " + strconv.Quote(name), fmt.Sprintf("after: %d", min(o.overBy(e.GetTimeUnixNano()), calls))}
		var pairs []string
		for _, key := range o.events[i].order {
			// An event's attributes are constants.
			if v := o.events[i].values[key]; !v.dropped && 2*v.n >= o.events[i].spans {
				texts := slices.Sorted(maps.Keys(v.counts))
				most := slices.MaxFunc(texts, func(a, b string) int { return v.counts[a] - v.counts[b] })
				pairs = append(pairs, strconv.Quote(key)+": "+most)
			}
		}
		if len(pairs) > 0 {
			parts = append(parts, "attributes: {"+strings.Join(pairs, ", ")+"}")
		}
		out = append(out, "{"+strings.Join(parts, ", ")+"}")
	}
	return out
}

// overBy is how many steps, as they are written, were over at a time.
func (o *operation) overBy(at uint64) int {
	over, step := 0, 0
	for _, group := range o.compressed() {
		step += group.n
		last := o.first.steps[step-1]
		for _, c := range last {
			if c.GetEndTimeUnixNano() > at {
				return over
			}
		}
		over++
	}
	return over
}

// run is a step that is repeated so often.
type run struct {
	calls []*operation
	n     int
}

// compressed joins steps that are the same call again and again.
func (o *operation) compressed() []run {
	var out []run
	for _, step := range o.steps {
		last := len(out) - 1
		if last >= 0 && len(step) == 1 && len(out[last].calls) == 1 && out[last].calls[0] == step[0] && out[last].n < mostRepetitions {
			out[last].n++
			continue
		}
		out = append(out, run{step, 1})
	}
	return out
}

// mostRepetitions is how often a topology repeats a call at most.
const mostRepetitions = 10_000

func (o *operation) calls() []string {
	var out []string
	for _, r := range o.compressed() {
		if len(r.calls) == 1 {
			out = append(out, o.call(r.calls[0], r.n, ""))
			continue
		}
		var parallel []string
		for i := 0; i < len(r.calls); {
			n := 1
			for i+n < len(r.calls) && r.calls[i+n] == r.calls[i] && n < mostRepetitions {
				n++
			}
			parallel = append(parallel, o.call(r.calls[i], n, ""))
			i += n
		}
		out = append(out, "{parallel: ["+strings.Join(parallel, ", ")+"]}")
	}
	for i, c := range o.later {
		out = append(out, o.call(c, 1, ", async: true, after: "+latency(o.after[i])))
	}
	return out
}

// call writes one call.
func (o *operation) call(to *operation, n int, more string) string {
	text := "{to: " + strconv.Quote(to.first.service+"/"+to.key)
	if n > 1 {
		text += fmt.Sprintf(", count: %d", n)
	}
	if to.first.failed() {
		text += ", optional: true"
	}
	return text + more + "}"
}
