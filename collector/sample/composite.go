package sample

import "time"

// composite wants what the first of its parts wants that has room.
type composite []part

type part struct {
	judge judge
	limit *rateLimit
}

func (b *bench) composite(p Policy) composite {
	var all composite
	for _, inner := range p.Policies {
		share := inner.Share / 100
		all = append(all, part{judge: b.seat(inner), limit: newRateLimit(p.SpansPerSecond*share, p.BytesPerSecond*share)})
	}
	return all
}

func (all composite) judge(t *trace, now time.Time) verdict {
	for _, p := range all {
		if v := p.judge.judge(t, now); v.keep && p.limit.judge(t, now).keep {
			return v
		}
	}
	return verdict{}
}
