package layered

import (
	"cmp"
	"slices"
)

// sweeps is how often the layers are put in order; more has not been seen to
// help.
const sweeps = 24

// untangle orders the layers so that few edges cross. Each sweep goes once
// over the layers and puts every item at the mean place of its neighbours; the
// best order seen wins.
func (g *layout) untangle() {
	best, crossings := g.places(), g.crossings()
	for i := 0; i < sweeps && crossings > 0; i++ {
		if i%2 == 0 {
			for _, layer := range g.layers {
				arrange(layer, func(it *item) []*item { return it.before })
			}
		} else {
			for _, layer := range slices.Backward(g.layers) {
				arrange(layer, func(it *item) []*item { return it.after })
			}
		}
		if now := g.crossings(); now < crossings {
			best, crossings = g.places(), now
		}
	}
	for it, place := range best {
		it.place = place
	}
	for _, layer := range g.layers {
		slices.SortFunc(layer, func(a, b *item) int { return cmp.Compare(a.place, b.place) })
	}
}

func (g *layout) places() map[*item]int {
	places := map[*item]int{}
	for _, it := range g.items() {
		places[it] = it.place
	}
	return places
}

// arrange sorts the layer by the mean place of each item's neighbours; items
// without any stay near where they are.
func arrange(layer []*item, neighbours func(*item) []*item) {
	means := make(map[*item]float64, len(layer))
	for _, it := range layer {
		means[it] = float64(it.place)
		if list := neighbours(it); len(list) > 0 {
			sum := 0
			for _, n := range list {
				sum += n.place
			}
			means[it] = float64(sum) / float64(len(list))
		}
	}
	slices.SortStableFunc(layer, func(a, b *item) int { return cmp.Compare(means[a], means[b]) })
	for i, it := range layer {
		it.place = i
	}
}

// crossings counts the pairs of edges that cross between neighbouring layers.
func (g *layout) crossings() int {
	total := 0
	for _, layer := range g.layers {
		var ends []int // where the edges arrive, in the order of where they leave
		for _, it := range layer {
			from := len(ends)
			for _, n := range it.after {
				ends = append(ends, n.place)
			}
			slices.Sort(ends[from:])
		}
		total += inversions(ends)
	}
	return total
}

// inversions counts the pairs that stand in the wrong order; it sorts list.
func inversions(list []int) int {
	if len(list) < 2 {
		return 0
	}
	half := len(list) / 2
	left, right := slices.Clone(list[:half]), slices.Clone(list[half:])
	total := inversions(left) + inversions(right)
	i, j := 0, 0
	for k := range list {
		if j == len(right) || (i < len(left) && left[i] <= right[j]) {
			list[k] = left[i]
			i++
			continue
		}
		list[k] = right[j]
		j++
		total += len(left) - i
	}
	return total
}
