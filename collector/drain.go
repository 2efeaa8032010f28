package collector

import (
	"context"
	"time"

	"github.com/waybill-dev/waybill/collector/derive"
	"github.com/waybill-dev/waybill/collector/journal"
)

// drainLook is how often a collector that is being stopped looks whether its
// readers are done.
const drainLook = 10 * time.Millisecond

// drain waits until all readers are up to date, for as long as the
// configuration allows, and for no longer than half of what ctx leaves. It does
// not wait for a destination that fails, nor for traces that are not decided:
// the journal keeps them.
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
	chosen := stats // What forwarders of traces read.
	if c.sampling != nil {
		chosen = c.sampling.kept.Stats()
	}
	for _, s := range c.exporters.Status() {
		of := stats
		if s.Signal == journal.Traces {
			of = chosen
		}
		if s.FailingSince.IsZero() && of.Cursors[s.Reader] < of.End {
			return false
		}
	}
	return c.deriver == nil || stats.Cursors[derive.ReaderName] >= stats.End
}
