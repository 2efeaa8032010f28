package receive

import "sync/atomic"

// budget admits requests by their bytes: the sum of all that is held for
// requests without an answer never exceeds max. It is safe for concurrent use.
type budget struct {
	max  int64
	used atomic.Int64
}

// take admits n more bytes, or says that there is no room for them now.
func (b *budget) take(n int64) bool {
	for {
		used := b.used.Load()
		if used+n > b.max {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// fits says whether n more bytes would be admitted now.
func (b *budget) fits(n int64) bool { return b.used.Load()+n <= b.max }

func (b *budget) give(n int64) { b.used.Add(-n) }

// lease is what one request holds of the budget. One goroutine uses it.
type lease struct {
	budget *budget
	held   int64
}

// take admits n more bytes for the request. It refuses for good what would not
// fit if the request were alone, and for now what others leave no room for.
func (l *lease) take(n int64) error {
	if l.held+n > l.budget.max {
		return tooLarge("the request needs more than the %d bytes that all requests may use", l.budget.max)
	}
	if !l.budget.take(n) {
		return overloaded()
	}
	l.held += n
	return nil
}

func (l *lease) give(n int64) {
	l.held -= n
	l.budget.give(n)
}

// release gives back all that is left. The lease may be used again.
func (l *lease) release() { l.give(l.held) }
