package sample

import (
	"slices"
	"time"
)

// and wants what all of its judges want.
type and []judge

// and asks those last that use up a rate, so that none is used up for a trace
// that another does not want.
func (b *bench) and(policies []Policy) and {
	ordered := slices.Clone(policies)
	slices.SortStableFunc(ordered, func(x, y Policy) int {
		switch {
		case x.limited() == y.limited():
			return 0
		case x.limited():
			return 1
		}
		return -1
	})
	var all and
	for _, p := range ordered {
		all = append(all, b.seat(p))
	}
	return all
}

func (all and) judge(t *trace, now time.Time) verdict {
	result := verdict{keep: true}
	for _, j := range all {
		v := j.judge(t, now)
		if !v.keep {
			return verdict{}
		}
		result.threshold = max(result.threshold, v.threshold)
	}
	return result
}

// not wants what another does not want.
type not struct{ inner judge }

func (n not) judge(t *trace, now time.Time) verdict {
	return verdict{keep: !n.inner.judge(t, now).keep}
}
