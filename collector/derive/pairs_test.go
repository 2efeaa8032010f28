package derive

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"
)

func endOf(n int) (e end) {
	binary.BigEndian.PutUint64(e.trace[:], uint64(n)+1)
	binary.BigEndian.PutUint64(e.span[:], uint64(n)+1)
	return e
}

// recount holds the bookkeeping against what is there.
func recount(t *testing.T, p *pairs) {
	t.Helper()
	seen, before := map[int32]bool{}, none
	for i := p.oldest; i != none; i = p.slot(i).newer {
		if seen[i] || p.slot(i).older != before {
			t.Fatalf("the halves by age are no list at %d", i)
		}
		if before != none && p.slot(before).due > p.slot(i).due {
			t.Fatalf("half %d is older than the one before it", i)
		}
		seen[i], before = true, i
	}
	if before != p.newest || len(seen) != p.held || p.held > p.limit {
		t.Fatalf("%d halves by age, %d counted, %d allowed", len(seen), p.held, p.limit)
	}
	at := 0
	cells := 0
	for c, cell := range p.waiting.cells {
		if p.waiting.tags[c] == 0 {
			continue
		}
		cells++
		first, last := cell.slot, none
		e := p.slot(first).at
		if cell.hash != p.waiting.hash(e) || p.find(cell.hash, e) != first {
			t.Fatalf("the halves at %v are not found", e)
		}
		for i := first; i != none; i = p.slot(i).next {
			if !seen[i] || p.slot(i).at != e || p.slot(i).caller && p.slot(first).next != none {
				t.Fatalf("half %d waits at the wrong end", i)
			}
			at, last = at+1, i
		}
		if p.slot(first).last != last {
			t.Fatalf("the last half at an end is %d, not %d", last, p.slot(first).last)
		}
	}
	free := 0
	for i := p.free; i != none; i = p.slot(i).next {
		free++
	}
	if at != p.held || free+p.held != p.made || cells != p.waiting.held {
		t.Fatalf("%d halves at %d of %d ends and %d free ones in %d slots, %d held", at, cells, p.waiting.held, free, p.made, p.held)
	}
}

// TestPairsKeepCount drives pairs that are far too few with halves of all
// kinds. Each half meets another one, or is told to have been lone or evicted.
func TestPairsKeepCount(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 7))
		p := newPairs(GraphConfig{Wait: 10 * time.Second, MaxPending: 1 + r.IntN(60)})
		added, met, gone := 0, 0, 0
		p.meet = func(caller, callee *half) {
			if !caller.caller || callee.caller || caller.at != callee.at {
				t.Fatal("two that do not belong together")
			}
			met++
		}
		p.lone = func(*half) { gone++ }
		p.evicted = func(*half) { gone++ }
		callees, now := 0, noon
		for i := range 5000 {
			now = now.Add(time.Duration(r.IntN(400)) * time.Millisecond)
			if r.IntN(100) == 0 {
				now = now.Add(time.Duration(r.IntN(200)-100) * time.Second)
			}
			p.advance(now)
			h := half{at: endOf(r.IntN(30)), caller: r.IntN(3) == 0, message: r.IntN(4) == 0}
			p.add(&h)
			if added++; !h.caller {
				callees++
			}
			if i%50 == 0 {
				recount(t, p)
			}
		}
		recount(t, p)
		if met == 0 || gone == 0 || met > callees {
			t.Errorf("seed %d: %d of %d halves met, %d gone", seed, met, added, gone)
		}
		p.advance(now.Add(time.Minute))
		if p.held != 0 || p.waiting.held != 0 {
			t.Errorf("seed %d: %d halves stay for ever", seed, p.held)
		}
	}
}

// TestPairsTakeConstantTime has everybody wait at one end: anything that looks
// at each of them would take hours.
func TestPairsTakeConstantTime(t *testing.T) {
	p := newPairs(GraphConfig{Wait: time.Second, MaxPending: 300_000})
	lone, met := 0, 0
	p.lone, p.meet = func(*half) { lone++ }, func(_, _ *half) { met++ }
	p.evicted = func(*half) { lone++ }
	p.advance(noon)
	for range 600_000 {
		p.add(&half{at: endOf(1)})
	}
	if lone != 300_000 {
		t.Errorf("%d evicted", lone)
	}
	p.add(&half{at: endOf(1), caller: true})
	if met != 300_000 || p.held != 0 {
		t.Errorf("%d met, %d are left", met, p.held)
	}
	for range 300_000 {
		p.add(&half{at: endOf(1)})
	}
	p.advance(noon.Add(time.Minute))
	if lone != 600_000 || p.held != 0 || p.slots != nil {
		t.Errorf("%d lone, %d are left in %d slots", lone, p.held, len(p.slots))
	}
}

func TestPairsAllocateNothing(t *testing.T) {
	p := newPairs(GraphConfig{Wait: time.Second, MaxPending: 1000})
	p.meet = func(_, _ *half) {}
	p.advance(noon)
	caller, callee := half{caller: true}, half{}
	got := testing.AllocsPerRun(1000, func() {
		caller.at.span[0]++
		callee.at = caller.at
		p.add(&callee)
		p.add(&caller)
	})
	if got > 0 {
		t.Errorf("%v allocations for a pair", got)
	}
	if p.find(p.waiting.hash(caller.at), caller.at) != none || p.waiting.held != 0 {
		t.Error("something still waits")
	}
}

// BenchmarkPairs has as many halves as are allowed wait in vain, as calls of
// peers do that send no spans. Of the others both come, one soon after the other.
func BenchmarkPairs(b *testing.B) {
	p := newPairs(DefaultConfig().Graph)
	p.meet, p.lone, p.evicted = func(_, _ *half) {}, func(*half) {}, func(*half) {}
	p.advance(noon)
	caller, callee, r := half{caller: true}, half{}, rand.New(rand.NewPCG(1, 2))
	for i := range 2 * DefaultConfig().Graph.MaxPending {
		caller.at = endOf(i)
		p.add(&caller)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		binary.BigEndian.PutUint64(caller.at.span[:], r.Uint64())
		callee.at = caller.at
		p.add(&caller)
		if i%4 != 0 { // One in four waits until it is evicted.
			p.add(&callee)
		}
	}
}
