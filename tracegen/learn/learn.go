// Package learn makes a topology of recorded traces. Traces that it makes are
// of the shapes that the recorded ones have, as often as they have them, and
// each operation takes as long as it does there.
package learn

import (
	"cmp"
	"errors"
	"slices"

	"github.com/waybill-dev/waybill/tracegen/recording"
	"github.com/waybill-dev/waybill/tracegen/topology"
)

// Options say how much a topology is to have of what was recorded.
type Options struct {
	// Name is the topology's.
	Name string
	// Kinds is how many shapes of traces are kept, at most, the frequent ones
	// first. The rarest that are kept stand for those that are not.
	Kinds int
	// Tempi is how many groups the traces of a shape are divided into, at most,
	// by how long they took. In a slow trace many operations are slow; one group
	// does not know that.
	Tempi int
}

// DefaultOptions keep what fits into a file that a person may still read.
func DefaultOptions() Options { return Options{Name: "learnt", Kinds: 500, Tempi: 3} }

// leastGroup is how many traces a group has at least.
const leastGroup = 40

// Result is a topology with what it was made of.
type Result struct {
	// YAML is the topology.
	YAML []byte
	// Traces are those that were learnt from, Shapes how many they have, Kinds
	// how many of these are in the topology, and Kept what share of the traces
	// had one of them.
	Traces, Shapes, Kinds int
	Kept                  float64
	// LeftOut counts traces that are not of one tree, or too large.
	LeftOut int
	// Dropped are attributes whose values no topology can have, as lists.
	Dropped []string
}

// ErrNothing says that no trace could be learnt from.
var ErrNothing = errors.New("no trace is whole: each needs one root, and the parent of every other span")

// From makes a topology of all traces of a recording. It is the same for the
// same recording.
func From(r *recording.Recording, o Options) (Result, error) {
	known, services := shapes{}, map[string]bool{}
	of := map[int]*kind{}
	var kinds []*kind
	result := Result{}
	for _, t := range r.Traces() {
		root, err := tree(t, topology.MaxSpans)
		if err != nil {
			result.LeftOut++
			continue
		}
		result.Traces++
		for _, s := range t.Spans {
			services[serviceName(s)] = true
		}
		k := of[known.number(root)]
		if k == nil {
			k = &kind{}
			of[root.shape] = k
			kinds = append(kinds, k)
		}
		k.roots = append(k.roots, root)
	}
	if result.Traces == 0 {
		return result, ErrNothing
	}
	result.Shapes = len(kinds)
	kinds, result.Kept = choose(kinds, o.Kinds)
	result.Kinds = len(kinds)
	w := newWriter(o.Name, services)
	for _, k := range kinds {
		k.divide(o.Tempi)
		for i, group := range k.groups {
			w.learn(group, tempo{len(k.groups), i}, k.weight/float64(len(k.groups)))
		}
	}
	result.YAML, result.Dropped = w.yaml(result)
	_, err := topology.Parse(o.Name, result.YAML)
	return result, err
}

// kind is the traces of one shape.
type kind struct {
	roots  []*node
	groups [][]*node
	weight float64
}

// choose keeps the most frequent kinds. When some are left out, those that are
// as rare as the rarest kept have their weight.
func choose(kinds []*kind, most int) (chosen []*kind, kept float64) {
	slices.SortStableFunc(kinds, func(a, b *kind) int { return cmp.Compare(len(b.roots), len(a.roots)) })
	total, rest := 0, 0
	for i, k := range kinds {
		k.weight = float64(len(k.roots))
		total += len(k.roots)
		if i >= most {
			rest += len(k.roots)
		}
	}
	if rest == 0 {
		return kinds, 1
	}
	kinds = kinds[:most]
	rare, rarest := 0.0, len(kinds[most-1].roots)
	for _, k := range kinds {
		if len(k.roots) == rarest {
			rare += k.weight
		}
	}
	for _, k := range kinds {
		if len(k.roots) == rarest {
			k.weight *= 1 + float64(rest)/rare
		}
	}
	return kinds, 1 - float64(rest)/float64(total)
}

// divide divides the traces into groups of the same size, the fast ones first.
func (k *kind) divide(most int) {
	groups := max(min(most, len(k.roots)/leastGroup), 1)
	slices.SortStableFunc(k.roots, func(a, b *node) int { return cmp.Compare(a.duration(), b.duration()) })
	for i := range groups {
		k.groups = append(k.groups, k.roots[i*len(k.roots)/groups:(i+1)*len(k.roots)/groups])
	}
}

// tempo is one of so many groups of a shape.
type tempo struct{ of, index int }
