package collector

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/waybill-dev/waybill/collector/admin"
	"github.com/waybill-dev/waybill/collector/journal"
)

// gate is the journal as receivers see it: it notes when something could not be
// stored, so that readiness can tell.
type gate struct {
	journal.Journal
	last atomic.Pointer[admin.Refusal] // nil: never
}

// Append implements journal.Journal.
func (g *gate) Append(ctx context.Context, signal journal.Signal, items uint32, payload []byte) (journal.Offset, error) {
	off, err := g.Journal.Append(ctx, signal, items, payload)
	switch {
	case err == nil:
	case errors.Is(err, journal.ErrFull):
		g.last.Store(&admin.Refusal{At: time.Now(), Reason: "the journal is full"})
	case ctx.Err() != nil, errors.Is(err, journal.ErrTooLarge), errors.Is(err, journal.ErrClosed):
		// The sender's affair, or the end.
	default:
		g.last.Store(&admin.Refusal{At: time.Now(), Reason: "the journal cannot store them"})
	}
	return off, err
}

// lastRefusal is when something could not be stored last; zero means never.
func (g *gate) lastRefusal() admin.Refusal {
	if last := g.last.Load(); last != nil {
		return *last
	}
	return admin.Refusal{}
}
