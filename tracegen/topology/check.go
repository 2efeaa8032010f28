package topology

import (
	"slices"
	"strings"
)

// check looks at what only the whole shows: calls that come back to where they
// began, and traces without end.
func (d *document) check(t *Topology) {
	if len(t.Traces) == 0 {
		d.fail(1, "traces: none is given")
	}
	total := 0.0
	for _, trace := range t.Traces {
		total += trace.Weight
	}
	if total <= 0 && len(t.Traces) > 0 {
		d.fail(t.Traces[0].line, "traces: the weights are nothing together")
	}
	for _, s := range t.Services {
		if strings.Contains(s.Name, "/") {
			d.fail(s.line, "service %q: a service's name has no /", s.Name)
		}
	}
	w := walk{d: d, most: map[*Operation]int{}}
	for _, s := range t.Services {
		for _, o := range s.Operations {
			w.spans(o)
		}
	}
	if d.err() != nil {
		return
	}
	for _, trace := range t.Traces {
		if most := w.most[trace.Start]; most > MaxSpans {
			d.fail(trace.line, "trace %s may have %d spans: want %d at most", trace.Name, most, MaxSpans)
		}
	}
}

// walk goes through all that an operation causes.
type walk struct {
	d    *document
	path []*Operation
	most map[*Operation]int
}

// unbounded is more spans than anybody counts.
const unbounded = 1 << 40

// spans counts how many spans an operation causes at most, with its own.
func (w *walk) spans(o *Operation) int {
	if most, done := w.most[o]; done {
		return most
	}
	if at := slices.Index(w.path, o); at >= 0 {
		names := make([]string, 0, len(w.path)+1)
		for _, p := range append(w.path[at:len(w.path):len(w.path)], o) {
			names = append(names, p.Ref())
		}
		w.d.fail(o.line, "a cycle: %s", strings.Join(names, " calls "))
		return 1
	}
	w.path = append(w.path, o)
	most := 1 + w.steps(o.Service, o.Steps)
	handling := 0
	for _, e := range o.Errors {
		handling = max(handling, w.steps(o.Service, e.Steps))
	}
	w.path = w.path[:len(w.path)-1]
	w.most[o] = min(most+handling, unbounded)
	return w.most[o]
}

func (w *walk) steps(caller *Service, steps []Step) int {
	most := 0
	for _, step := range steps {
		for _, c := range step.Calls {
			each := w.spans(c.To)
			if c.To.Client != nil && c.To.Service != caller {
				each++
			}
			most = min(most+min(c.Most*c.Attempts, unbounded)*each, unbounded)
		}
	}
	return most
}
