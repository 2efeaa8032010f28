// Package budget bounds what clients ask for more than once, so that they do
// not bring down what is in trouble.
package budget

import "sync"

// Budget is a bucket of tokens: each call brings a part of one, and each
// repetition takes one. It is safe for concurrent use.
type Budget struct {
	mu            sync.Mutex
	left          float64
	perCall, most float64
}

// New makes a budget that is full.
func New(perCall float64, most int) *Budget {
	return &Budget{left: float64(most), perCall: perCall, most: float64(most)}
}

// Call adds what a call is worth.
func (b *Budget) Call() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = min(b.left+b.perCall, b.most)
}

// Take takes a repetition out, if there is one.
func (b *Budget) Take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
