package sample

import "time"

// latency wants traces that took from least to most nanoseconds.
type latency struct{ least, most uint64 }

func (l latency) judge(t *trace, _ time.Time) verdict {
	took := t.duration()
	return verdict{keep: took >= l.least && (l.most == 0 || took <= l.most)}
}
