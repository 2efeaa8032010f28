package main

import (
	"errors"
	"math/bits"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// ledger knows of each span whether it was acknowledged, and how often it
// arrived. It is safe for concurrent use.
type ledger struct {
	mu       sync.Mutex
	requests []entry
	arrivals int       // of spans, repetitions not counted
	last     time.Time // when one arrived
}

// entry is one request.
type entry struct {
	acknowledged bool
	arrived      [(spansPerRequest + 63) / 64]uint64
	again        int // spans that had arrived before
}

// claim is the number of the next request.
func (l *ledger) claim() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests = append(l.requests, entry{})
	return uint64(len(l.requests) - 1)
}

func (l *ledger) acknowledge(n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests[n].acknowledged = true
}

var errStray = errors.New("a span that nobody sent")

// arrive takes what a sink was sent.
func (l *ledger) arrive(request []byte) error {
	ids := make([]uint64, 0, 1024)
	err := eachSpan(request, func(span []byte, _ int) error {
		return eachField(span, func(num protowire.Number, value []byte, _ int) error {
			if num != 2 {
				return nil
			}
			n, index, ok := numberOf(value)
			if !ok {
				return errStray
			}
			ids = append(ids, n<<16|uint64(index))
			return errStop
		})
	})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = time.Now()
	for _, id := range ids {
		n, index := id>>16, id&0xffff
		if n >= uint64(len(l.requests)) {
			return errStray
		}
		e, bit := &l.requests[n], uint64(1)<<(index%64)
		if e.arrived[index/64]&bit != 0 {
			e.again++
			continue
		}
		e.arrived[index/64] |= bit
		l.arrivals++
	}
	return nil
}

// tally is what came of a run, in spans.
type tally struct {
	acknowledged int
	arrived      int // acknowledged or not
	lost         int // acknowledged, and never arrived
	duplicates   int // arrived again
}

func (l *ledger) tally() tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	var t tally
	for i := range l.requests {
		e := &l.requests[i]
		arrived := 0
		for _, word := range e.arrived {
			arrived += bits.OnesCount64(word)
		}
		t.arrived += arrived
		t.duplicates += e.again
		if e.acknowledged {
			t.acknowledged += spansPerRequest
			t.lost += spansPerRequest - arrived
		}
	}
	return t
}

// progress is how many spans have arrived, and when the last of them did.
func (l *ledger) progress() (int, time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.arrivals, l.last
}
