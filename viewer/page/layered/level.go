package layered

import "slices"

// settle is how often the heights are adjusted from left to right and back.
const settle = 12

// level sets the heights: each item as near to the mean of its neighbours as
// the order and the gaps of its layer allow.
func (g *layout) level() {
	for _, layer := range g.layers {
		y := 0.0
		for _, it := range layer {
			it.y = y + it.size.Height/2
			y += it.size.Height + itemGap
		}
	}
	for range settle {
		for _, layer := range g.layers {
			align(layer, func(it *item) []*item { return it.before })
		}
		for _, layer := range slices.Backward(g.layers) {
			align(layer, func(it *item) []*item { return it.after })
		}
	}
	for _, layer := range g.layers {
		align(layer, func(it *item) []*item { return slices.Concat(it.before, it.after) })
	}
}

// pool is a run of items that touch each other and so move as one.
type pool struct {
	sum, weight float64
	items       int
}

func (p pool) mean() float64 { return p.sum / p.weight }

// align moves the layer's items to where their neighbours want them, and
// keeps the order and the gaps: an isotonic regression by pooling adjacent
// violators, which makes the squares of the remaining distances least.
func align(layer []*item, neighbours func(*item) []*item) {
	var pools []pool
	offsets := make([]float64, len(layer)) // where each would be if all touched
	for i, it := range layer {
		if i > 0 {
			above := layer[i-1]
			offsets[i] = offsets[i-1] + (above.size.Height+it.size.Height)/2 + itemGap
		}
		want, weight := wanted(it, neighbours(it))
		if len(it.before)+len(it.after) == 0 {
			want = middle(layer) // close to the others, for want of a better place
		}
		pools = append(pools, pool{(want - offsets[i]) * weight, weight, 1})
		for len(pools) > 1 && pools[len(pools)-2].mean() > pools[len(pools)-1].mean() {
			last := pools[len(pools)-1]
			pools = pools[:len(pools)-1]
			into := &pools[len(pools)-1]
			into.sum += last.sum
			into.weight += last.weight
			into.items += last.items
		}
	}
	i := 0
	for _, p := range pools {
		for range p.items {
			layer[i].y = p.mean() + offsets[i]
			i++
		}
	}
}

func middle(layer []*item) float64 {
	sum := 0.0
	for _, it := range layer {
		sum += it.y
	}
	return sum / float64(len(layer))
}

// wanted is the mean height of the neighbours, and how much it counts: a bend
// between the ends of an edge hurts the eye most.
func wanted(it *item, neighbours []*item) (y, weight float64) {
	if len(neighbours) == 0 {
		return it.y, 0.1
	}
	for _, n := range neighbours {
		y += n.y
	}
	y /= float64(len(neighbours))
	if it.node < 0 {
		return y, 2
	}
	return y, 1
}
