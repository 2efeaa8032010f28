package collector

import (
	"context"
	"time"

	"github.com/waybill-dev/waybill/collector/derive"
)

// drainLook is how often a collector that is being stopped looks whether its
// readers are done.
const drainLook = 10 * time.Millisecond

// drain waits until all readers are up to date, for as long as the
// configuration allows, and for no longer than half of what ctx leaves. It does
// not wait for a destination that fails: the journal keeps what is for it.
func (c *Collector) drain(ctx context.Context) {
	bound := c.configured.get().Admin.Drain
	if deadline, ok := ctx.Deadline(); ok {
		bound = min(bound, time.Until(deadline)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	look := time.NewTicker(drainLook)
	defer look.Stop()
	for ctx.Err() == nil && !c.drained() {
		select {
		case <-look.C:
		case <-ctx.Done():
		}
	}
}

func (c *Collector) drained() bool {
	stats := c.journal.Stats()
	behind := func(reader string) bool { return stats.Cursors[reader] < stats.End }
	for _, s := range c.exporters.Status() {
		if s.FailingSince.IsZero() && behind(s.Reader) {
			return false
		}
	}
	return c.deriver == nil || !behind(derive.ReaderName)
}
