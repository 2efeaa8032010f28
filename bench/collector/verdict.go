package main

import (
	"fmt"
	"math"
)

// keptShare is the part that samplers are told to keep of traces without an
// error that are not slow.
const keptShare = 0.1

// judgement is what a sampler made of the traces all of whose requests were
// acknowledged.
type judgement struct {
	traces  int
	wanted  int // of those, with an error, or slow
	missing int // of the wanted ones, of which nothing arrived
	broken  int // of all, of which a part arrived, and a part did not
	others  int // not wanted
	kept    int // of the others, of which something arrived
}

// judge compares what arrived with what was to.
func (l *ledger) judge(w *work) judgement {
	l.mu.Lock()
	defer l.mu.Unlock()
	var j judgement
	for first := 0; first+w.parts <= len(l.requests); first += w.parts {
		group := l.requests[first : first+w.parts]
		if !acknowledged(group) {
			continue
		}
		for _, t := range w.traces[first/w.parts%len(w.traces)] {
			j.add(t, arrived(group, t.spans))
		}
	}
	return j
}

func acknowledged(group []entry) bool {
	for i := range group {
		if !group[i].acknowledged {
			return false
		}
	}
	return true
}

// arrived is how many of the spans did.
func arrived(group []entry, spans []spanAt) (n int) {
	for _, s := range spans {
		if group[s.part].arrived[s.index/64]&(1<<(s.index%64)) != 0 {
			n++
		}
	}
	return n
}

func (j *judgement) add(t outline, arrived int) {
	j.traces++
	if arrived > 0 && arrived < len(t.spans) {
		j.broken++
	}
	switch {
	case !t.wanted:
		j.others++
		if arrived > 0 {
			j.kept++
		}
	default:
		j.wanted++
		if arrived == 0 {
			j.missing++
		}
	}
}

// z is by how many standard deviations the others that were kept are off from
// their share.
func (j judgement) z() float64 {
	n := float64(j.others)
	if n == 0 {
		return math.NaN()
	}
	return (float64(j.kept) - n*keptShare) / math.Sqrt(n*keptShare*(1-keptShare))
}

// share is which part of the others was kept, with its z.
func (j judgement) share() string {
	return fmt.Sprintf("%.2f %% (%+.1f)", 100*float64(j.kept)/float64(max(j.others, 1)), j.z())
}

func (j judgement) String() string {
	return fmt.Sprintf("%d traces; %d wanted, %d of them missing; %d in part; %d of %d others, z = %.2f", j.traces, j.wanted, j.missing, j.broken, j.kept, j.others, j.z())
}
