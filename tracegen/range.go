package tracegen

import (
	"cmp"
	"slices"
)

// Range is a row of traces by their numbers.
type Range struct {
	First uint64 `json:"first"`
	N     uint64 `json:"n"`
}

// merged sorts ranges and joins those that touch.
func merged(ranges []Range) []Range {
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	out := sorted[:0]
	for _, r := range sorted {
		if last := len(out) - 1; last >= 0 && out[last].First+out[last].N >= r.First {
			out[last].N = max(out[last].N, r.First+r.N-out[last].First)
			continue
		}
		out = append(out, r)
	}
	return out
}

// contains looks a trace up in ranges that are merged.
func contains(ranges []Range, i uint64) bool {
	at, found := slices.BinarySearchFunc(ranges, i, func(r Range, i uint64) int { return cmp.Compare(r.First, i) })
	return found || at > 0 && i < ranges[at-1].First+ranges[at-1].N
}
