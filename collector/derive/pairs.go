package derive

import (
	"time"

	"github.com/waybill-dev/waybill/collector/wire"
)

// end is where the two spans of a request meet: the span of the caller, which
// the callee names as its parent or by a link.
type end struct {
	trace wire.TraceID
	span  wire.SpanID
}

// half is one span of a request.
type half struct {
	at      end
	span    exemplar
	service string
	// peer names the far end for a caller that waits in vain; empty where it
	// has no name.
	peer     string
	peerKind connection
	weight   float64
	caller   bool
	// message is set for producers and consumers. Many consumers may take what
	// one producer has sent.
	message bool
	failed  bool
	// answered says that the other half has come already.
	answered bool
	// doubtful is a callee that may well have no caller: it waits for its
	// parent, and for its links besides.
	doubtful bool

	due time.Duration // by the clock of pairs
	// Neighbours by age, and the next that waits at the same end. The first
	// that waits there knows the last one.
	older, newer, next, last int32
}

// none is no half.
const none int32 = -1

// pairs has the halves that wait for the other one. At an end either one
// caller waits, or callees do, the oldest first. All steps take constant time,
// whatever comes. Its owner guards it.
//
// Time is what passes between the records' times of arrival: a backlog is
// paired as it would have been when it came, and a clock that is set back or
// forth harms nobody for longer than the wait.
type pairs struct {
	wait  time.Duration
	limit int
	// meet is told of both halves of a request, lone of one that has waited in
	// vain, evicted of one that had to go before its time. They keep nothing
	// of the halves but copies.
	meet          func(caller, callee *half)
	lone, evicted func(*half)

	clock time.Duration
	last  time.Time

	slots          []half
	held           int   // how many of the slots are taken
	free           int32 // a list by next
	waiting        map[end]int32
	oldest, newest int32
}

func newPairs(cfg GraphConfig) *pairs {
	p := &pairs{wait: cfg.Wait, limit: cfg.MaxPending}
	p.reset()
	return p
}

// reset gives back the memory of what waited.
func (p *pairs) reset() {
	p.slots, p.waiting = nil, map[end]int32{}
	p.free, p.oldest, p.newest = none, none, none
}

// advance lets time pass until now.
func (p *pairs) advance(now time.Time) {
	switch passed := now.Sub(p.last); {
	case p.last.IsZero(), passed < -p.wait: // The clock was set back.
		p.last = now
	case passed > 0:
		p.clock += min(passed, 2*p.wait)
		p.last = now
	}
	for p.oldest != none && p.slots[p.oldest].due <= p.clock {
		p.lone(&p.slots[p.oldest])
		p.remove(p.oldest)
	}
	if p.oldest == none && len(p.slots) > keptSlots {
		p.reset()
	}
}

// keptSlots is for how many halves memory is kept when none waits.
const keptSlots = 4096

// add pairs a half with those that wait for it, or has it wait.
func (p *pairs) add(h *half) {
	first, found := p.waiting[h.at]
	switch {
	case !found:
		p.push(h)
	case h.caller && p.slots[first].caller:
		// The same span once more: senders repeat what they got no answer for.
	case h.caller:
		for i := first; i != none; {
			next := p.slots[i].next
			p.meet(h, &p.slots[i])
			p.release(i)
			i = next
		}
		delete(p.waiting, h.at)
		if h.message { // Others may take it as well.
			h.answered = true
			p.push(h)
		}
	case p.slots[first].caller:
		caller := &p.slots[first]
		p.meet(caller, h)
		if caller.answered = true; !caller.message {
			p.remove(first)
		}
	default:
		p.push(h)
	}
}

// awaited says whether the other half of a caller is there already.
func (p *pairs) awaited(at end) bool {
	first, found := p.waiting[at]
	return found && !p.slots[first].caller
}

// push has a half wait, as the newest.
func (p *pairs) push(h *half) {
	for p.held >= p.limit {
		p.evicted(&p.slots[p.oldest])
		p.remove(p.oldest)
	}
	i := p.free
	if i == none {
		i = int32(len(p.slots))
		p.slots = append(p.slots, half{})
	} else {
		p.free = p.slots[i].next
	}
	p.held++
	s := &p.slots[i]
	*s = *h
	s.due, s.older, s.newer, s.next, s.last = p.clock+p.wait, p.newest, none, none, i
	if p.newest != none {
		p.slots[p.newest].newer = i
	} else {
		p.oldest = i
	}
	p.newest = i
	if first, found := p.waiting[h.at]; found {
		p.slots[p.slots[first].last].next = i
		p.slots[first].last = i
		return
	}
	p.waiting[h.at] = i
}

// remove takes out the first that waits at an end, which the oldest of all is.
func (p *pairs) remove(i int32) {
	s := &p.slots[i]
	if s.next == none {
		delete(p.waiting, s.at)
	} else {
		p.slots[s.next].last = s.last
		p.waiting[s.at] = s.next
	}
	p.release(i)
}

// release gives a slot back.
func (p *pairs) release(i int32) {
	s := &p.slots[i]
	if s.older != none {
		p.slots[s.older].newer = s.newer
	} else {
		p.oldest = s.newer
	}
	if s.newer != none {
		p.slots[s.newer].older = s.older
	} else {
		p.newest = s.older
	}
	*s = half{next: p.free}
	p.free = i
	p.held--
}
