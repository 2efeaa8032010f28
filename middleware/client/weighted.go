package client

import "sync"

// Weighted takes each as often as its weight says, in turns that are spread
// evenly: of a with weight 2 and b with 1 it makes a, b, a. It is the smooth
// weighted round robin of nginx.
func Weighted() Balancer { return &weighted{credit: map[*Endpoint]int64{}} }

type weighted struct {
	mu     sync.Mutex
	credit map[*Endpoint]int64
}

func (b *weighted) Choose(from []*Endpoint) *Endpoint {
	b.mu.Lock()
	defer b.mu.Unlock()
	var best *Endpoint
	total := int64(0)
	for _, e := range from {
		weight := e.weight.Load()
		total += weight
		b.credit[e] += weight
		if best == nil || b.credit[e] > b.credit[best] {
			best = e
		}
	}
	b.credit[best] -= total
	b.tidy(from)
	return best
}

// tidy forgets endpoints that are gone, when they have become many.
func (b *weighted) tidy(from []*Endpoint) {
	if len(b.credit) <= 2*len(from)+16 {
		return
	}
	kept := make(map[*Endpoint]int64, len(from))
	for _, e := range from {
		kept[e] = b.credit[e]
	}
	b.credit = kept
}
