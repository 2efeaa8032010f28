package sample

import "time"

type spanCount struct{ least, most int }

func (c spanCount) judge(t *trace, _ time.Time) verdict {
	return verdict{keep: t.spans >= c.least && (c.most == 0 || t.spans <= c.most)}
}
