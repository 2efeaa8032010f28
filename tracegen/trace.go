package tracegen

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// trace is one trace with its spans laid out in time; times count from the
// root's start. Its memory is used again for the next.
type trace struct {
	id     [16]byte
	random uint64 // what values and instances are drawn from
	source *rand.PCG
	rand   *rand.Rand
	spans  []span
	events []time.Duration
	later  []later
	// end is when the last span ends.
	end time.Duration
	// epoch is when the root starts, in nanoseconds since 1970.
	epoch uint64
}

// span is one span at its place in time.
type span struct {
	template   *template
	id         uint64
	parent     int // which span; of a root nothing
	start, end time.Duration
	// events is where the times of its events begin, and reached how many
	// there are.
	events, reached int
}

// later is a call that begins when its caller has ended.
type later struct{ call *call }

func newTrace() *trace {
	source := rand.NewPCG(0, 0)
	return &trace{source: source, rand: rand.New(source)} //nolint:gosec // the traces are to be the same each time
}

// make lays out trace i of a seed.
func (t *trace) make(p *program, seed, i uint64) {
	t.source.Seed(mix(seed), mix(i^0x5851f42d4c957f2d))
	binary.BigEndian.PutUint64(t.id[:], t.rand.Uint64())
	binary.BigEndian.PutUint64(t.id[8:], t.rand.Uint64()|1)
	t.random = t.rand.Uint64()
	t.spans, t.events, t.later, t.end = t.spans[:0], t.events[:0], t.later[:0], 0
	at, root := t.rand.Float64(), p.scenarios[0].root
	for _, s := range p.scenarios {
		if root = s.root; at < s.weight {
			break
		}
	}
	t.place(root, -1, 0)
}

// open begins a span.
func (t *trace) open(parent int, start time.Duration) int {
	t.spans = append(t.spans, span{id: t.rand.Uint64() | 1, parent: parent, start: start})
	return len(t.spans) - 1
}

// close ends a span.
func (t *trace) close(at int, tmpl *template, end time.Duration) time.Duration {
	s := &t.spans[at]
	end = max(end, s.start+1)
	s.template, s.end = tmpl, end
	t.end = max(t.end, end)
	return end
}

// place lays out an operation and all that it causes, and says when it ends
// and with which fault. A span encloses the calls that it waits for.
func (t *trace) place(n *node, parent int, start time.Duration) (time.Duration, fault) {
	at := t.open(parent, start)
	waiting, events := len(t.later), t.reserve(n)
	strikes, after := n.strikes(t.rand)
	gap := scale(n.latency.Draw(t.rand), n.slow) / time.Duration(len(n.steps)+1)
	now := start + gap
	failed, reached := fault(0), t.reach(n, events, 0, 0, now)
	for done := 0; done < len(n.steps) && failed == 0 && (strikes == 0 || done < after); done++ {
		if now, failed = t.step(&n.steps[done], at, now); failed == 0 {
			reached = t.reach(n, events, reached, done+1, now)
			now += gap
		}
	}
	if failed == 0 {
		failed = strikes
	}
	if failed != 0 {
		h := &n.handlers[failed]
		for i := range h.steps {
			now, _ = t.step(&h.steps[i], at, now)
			now += gap
		}
		if h.handled {
			failed = 0
		}
	}
	end := t.close(at, n.look.of(failed), now)
	t.spans[at].events, t.spans[at].reached = events, reached
	t.follow(waiting, at, end)
	return end, failed
}

// reserve makes room for the times of an operation's events.
func (t *trace) reserve(n *node) int {
	at := len(t.events)
	for range n.look.usual.events {
		t.events = append(t.events, 0)
	}
	return at
}

// reach writes down the time of those events that come after so many steps,
// and counts those that have come by now.
func (t *trace) reach(n *node, events, reached, done int, now time.Duration) int {
	for ; reached < len(n.look.usual.events) && n.look.usual.events[reached].after <= done; reached++ {
		t.events[events+reached] = now
	}
	return reached
}

// strikes draws whether a fault arises in the operation itself, and after how
// many steps.
func (n *node) strikes(r *rand.Rand) (f fault, after int) {
	for _, a := range n.arising {
		if a.rate >= 1 || r.Float64() < a.rate {
			return a.fault, a.after
		}
	}
	return 0, 0
}

// step makes the calls of one step and says when they are over.
func (t *trace) step(s *step, at int, now time.Duration) (time.Duration, fault) {
	end, failed := now, fault(0)
	for i := range s.calls {
		c := &s.calls[i]
		if c.Probability < 1 && t.rand.Float64() >= c.Probability {
			continue
		}
		n := c.Least
		if c.Most > c.Least {
			n += t.rand.IntN(c.Most - c.Least + 1)
		}
		for range n {
			if c.Async {
				t.later = append(t.later, later{c})
				continue
			}
			begin := end
			if s.parallel {
				begin = now
			}
			over, f := t.attempts(c, at, begin)
			end = max(end, over)
			if f != 0 && !c.Optional {
				failed = f
				if !s.parallel {
					return end, failed
				}
			}
		}
	}
	return end, failed
}

// attempts makes one call, and makes it again when it has failed.
func (t *trace) attempts(c *call, at int, now time.Duration) (time.Duration, fault) {
	for attempt := 1; ; attempt++ {
		end, f := t.call(c, at, now)
		if f == 0 || attempt >= c.Attempts || !c.again[f] {
			return end, f
		}
		now = end + c.Backoff.Draw(t.rand)<<min(attempt-1, 20)
	}
}

// call lays out one call: the caller's span, where there is one, around the
// target's.
func (t *trace) call(c *call, at int, now time.Duration) (time.Duration, fault) {
	if c.near == nil {
		return t.place(c.target, at, now)
	}
	near := t.open(at, now)
	way := c.nearLatency.Draw(t.rand) / 2
	if c.Async {
		return t.close(near, c.near.usual, now+2*way), 0
	}
	end, f := t.place(c.target, near, now+way)
	return t.close(near, c.near.of(f), end+way), f
}

// follow lays out what begins now that a span has ended.
func (t *trace) follow(waiting, at int, end time.Duration) {
	for i, n := waiting, len(t.later); i < n; i++ {
		c := t.later[i].call
		parent, start := at, end
		if c.near != nil {
			parent = len(t.spans)
			start, _ = t.call(c, at, end)
		}
		t.place(c.target, parent, start+c.After.Draw(t.rand))
	}
	t.later = t.later[:waiting]
}
