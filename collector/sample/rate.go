package sample

import (
	"slices"
	"time"
)

// rateLimit wants as many traces as fit into a rate of spans, of bytes, or of
// both.
type rateLimit struct{ spans, bytes *fair } // nil: no bound

func newRateLimit(spans, bytes float64) *rateLimit {
	return &rateLimit{spans: newFair(spans), bytes: newFair(bytes)}
}

func (l *rateLimit) judge(t *trace, now time.Time) verdict {
	// Both are asked, so that both know what is wanted of them.
	spans := l.spans.wanted(t.service, float64(t.spans), now)
	bytes := l.bytes.wanted(t.service, float64(t.bytes), now)
	if !spans || !bytes {
		return verdict{}
	}
	l.spans.use(t.service, float64(t.spans))
	l.bytes.use(t.service, float64(t.bytes))
	return verdict{keep: true}
}

const (
	// window is how often what services may use is shared out anew.
	window = time.Second
	// debtWindows bounds for how long a trace that was larger than its
	// service's share is paid for.
	debtWindows = 60
)

// fair shares a rate among services: who wants less than an equal share gets
// all of it, and what is left is shared among the others. What services wanted
// in one window is what they are taken to want in the next. A nil *fair bounds
// nothing.
type fair struct {
	rate     float64
	began    time.Time
	left     float64 // of the rate, in this window; below zero after a large trace
	services map[uint32]*allowance
}

type allowance struct {
	wanted  float64 // in this window
	balance float64
	share   float64 // of this window
}

func newFair(rate float64) *fair {
	if rate == 0 {
		return nil
	}
	return &fair{rate: rate, left: rate, services: map[uint32]*allowance{}}
}

// wanted notes a wish, and says whether there is room for it. A trace that is
// larger than what is left may still have it: it is paid for later.
func (f *fair) wanted(service uint32, n float64, now time.Time) bool {
	if f == nil {
		return true
	}
	f.roll(now)
	a := f.services[service]
	if a == nil {
		share := f.rate / float64(len(f.services)+1)
		a = &allowance{balance: share, share: share}
		f.services[service] = a
	}
	a.wanted += n
	return a.balance > 0 && f.left > 0
}

func (f *fair) use(service uint32, n float64) {
	if f != nil {
		f.services[service].balance -= n
		f.left -= n
	}
}

// roll begins a new window when the last one has ended.
func (f *fair) roll(now time.Time) {
	if f.began.IsZero() {
		f.began = now
	}
	passed := now.Sub(f.began) / window
	if passed < 1 {
		return
	}
	f.began = f.began.Add(passed * window)
	windows := float64(min(passed, debtWindows))
	f.left = min(f.left+windows*f.rate, f.rate)
	f.shareOut()
	for id, a := range f.services {
		if a.wanted == 0 && a.balance >= 0 {
			delete(f.services, id)
			continue
		}
		a.balance = min(a.balance+windows*a.share, a.share)
		a.wanted = 0
	}
}

// shareOut fills up the services, the most modest first.
func (f *fair) shareOut() {
	all := make([]*allowance, 0, len(f.services))
	for _, a := range f.services {
		all = append(all, a)
	}
	slices.SortFunc(all, func(x, y *allowance) int {
		switch {
		case x.wanted < y.wanted:
			return -1
		case x.wanted > y.wanted:
			return 1
		}
		return 0
	})
	rest := f.rate
	for i, a := range all {
		a.share = min(a.wanted, rest/float64(len(all)-i))
		rest -= a.share
	}
	for _, a := range all { // What nobody wanted yet is for whoever wants more.
		a.share += rest / float64(len(all))
	}
}
