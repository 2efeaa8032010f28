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
	service *string
	// peer names the far end for a caller that waits in vain; nil where it has
	// no name.
	peer     *string
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

	// slots are in blocks, so that more of them move none.
	slots          []*[blockSlots]half
	made           int   // how many of the slots were ever taken
	held           int   // how many are
	free           int32 // a list by next, of those that are no longer
	waiting        ends  // the first half at each end
	oldest, newest int32
}

const blockSlots = 256

func newPairs(cfg GraphConfig) *pairs {
	p := &pairs{wait: cfg.Wait, limit: cfg.MaxPending}
	p.reset()
	return p
}

// reset gives back the memory of what waited.
func (p *pairs) reset() {
	p.slots, p.made, p.waiting = nil, 0, newEnds()
	p.free, p.oldest, p.newest = none, none, none
}

func (p *pairs) slot(i int32) *half { return &p.slots[i/blockSlots][i%blockSlots] }

// find is the first half that waits at an end, or none.
func (p *pairs) find(hash uint32, at end) int32 {
	wanted := tagOf(hash)
	for c := p.waiting.begin(hash); ; c = p.waiting.next(c) {
		switch p.waiting.tags[c] {
		case 0:
			return none
		case wanted:
			if cell := p.waiting.cells[c]; cell.hash == hash && p.slot(cell.slot).at == at {
				return cell.slot
			}
		}
	}
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
	for p.oldest != none && p.slot(p.oldest).due <= p.clock {
		p.lone(p.slot(p.oldest))
		p.remove(p.oldest)
	}
	if p.oldest == none && p.made > keptSlots {
		p.reset()
	}
}

// keptSlots is for how many halves memory is kept when none waits.
const keptSlots = 4096

// add pairs a half with those that wait for it, or has it wait.
func (p *pairs) add(h *half) {
	hash := p.waiting.hash(h.at)
	first := p.find(hash, h.at)
	switch {
	case first == none:
		p.push(h, hash, none)
	case h.caller && p.slot(first).caller:
		// The same span once more: senders repeat what they got no answer for.
	case h.caller:
		for i := first; i != none; {
			next := p.slot(i).next
			p.meet(h, p.slot(i))
			p.release(i)
			i = next
		}
		p.waiting.remove(hash, first)
		if h.message { // Others may take it as well.
			h.answered = true
			p.push(h, hash, none)
		}
	case p.slot(first).caller:
		caller := p.slot(first)
		p.meet(caller, h)
		if caller.answered = true; !caller.message {
			p.waiting.remove(hash, first)
			p.release(first)
		}
	default:
		p.push(h, hash, first)
	}
}

// push has a half wait, as the newest, behind the first that waits at its end.
func (p *pairs) push(h *half, hash uint32, first int32) {
	for p.held >= p.limit {
		evicted := p.slot(p.oldest)
		p.evicted(evicted)
		if p.oldest == first {
			first = evicted.next
		}
		p.remove(p.oldest)
	}
	i := p.take()
	s := p.slot(i)
	*s = *h
	s.due, s.older, s.newer, s.next, s.last = p.clock+p.wait, p.newest, none, none, i
	if p.newest != none {
		p.slot(p.newest).newer = i
	} else {
		p.oldest = i
	}
	p.newest = i
	if first != none {
		head := p.slot(first)
		p.slot(head.last).next = i
		head.last = i
		return
	}
	p.waiting.add(hash, i)
}

// take finds a slot that is free.
func (p *pairs) take() int32 {
	p.held++
	if i := p.free; i != none {
		p.free = p.slot(i).next
		return i
	}
	if p.made == len(p.slots)*blockSlots {
		p.slots = append(p.slots, new([blockSlots]half))
	}
	p.made++
	return int32(p.made - 1)
}

// remove takes out the first that waits at an end, which the oldest of all is.
func (p *pairs) remove(i int32) {
	s := p.slot(i)
	hash := p.waiting.hash(s.at)
	if s.next == none {
		p.waiting.remove(hash, i)
	} else {
		p.slot(s.next).last = s.last
		p.waiting.replace(hash, i, s.next)
	}
	p.release(i)
}

// release gives a slot back.
func (p *pairs) release(i int32) {
	s := p.slot(i)
	if s.older != none {
		p.slot(s.older).newer = s.newer
	} else {
		p.oldest = s.newer
	}
	if s.newer != none {
		p.slot(s.newer).older = s.older
	} else {
		p.newest = s.older
	}
	s.service, s.peer, s.next = nil, nil, p.free
	p.free = i
	p.held--
}
