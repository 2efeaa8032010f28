package collector

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// gate is the journal as receivers see it: it notes when there was no room, so
// that readiness can tell.
type gate struct {
	journal.Journal
	refused atomic.Int64 // nanoseconds since 1970; 0: never
}

// Append implements journal.Journal.
func (g *gate) Append(ctx context.Context, signal journal.Signal, items uint32, payload []byte) (journal.Offset, error) {
	off, err := g.Journal.Append(ctx, signal, items, payload)
	if errors.Is(err, journal.ErrFull) {
		g.refused.Store(time.Now().UnixNano())
	}
	return off, err
}

// lastRefusal is when there last was no room; zero means never.
func (g *gate) lastRefusal() time.Time {
	nanos := g.refused.Load()
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos)
}
