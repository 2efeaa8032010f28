package collector

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/waybill-dev/waybill/collector/admin"
	"github.com/waybill-dev/waybill/collector/journal"
)

// tellEvery is how often it is logged that nothing can be stored.
const tellEvery = time.Minute

// gate is the journal as receivers see it: it notes when something could not be
// stored, so that readiness can tell, and the log has why senders have to wait.
type gate struct {
	journal.Journal
	logger *slog.Logger
	last   atomic.Pointer[admin.Refusal] // nil: never
	told   atomic.Int64                  // when it was logged, in nanoseconds since 1970
}

// Append implements journal.Journal.
func (g *gate) Append(ctx context.Context, signal journal.Signal, items uint32, payload []byte) (journal.Offset, error) {
	off, err := g.Journal.Append(ctx, signal, items, payload)
	switch {
	case err == nil:
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		g.refuse("the journal's disk is full", err) // Its budget may be far from used up.
	case errors.Is(err, journal.ErrFull):
		g.refuse("the journal is full", err)
	case ctx.Err() != nil, errors.Is(err, journal.ErrTooLarge), errors.Is(err, journal.ErrClosed):
		// The sender's affair, or the end.
	default:
		g.refuse("the journal cannot store them", err)
	}
	return off, err
}

func (g *gate) refuse(reason string, err error) {
	now := time.Now()
	g.last.Store(&admin.Refusal{At: now, Reason: reason})
	told := g.told.Load()
	if now.UnixNano()-told >= int64(tellEvery) && g.told.CompareAndSwap(told, now.UnixNano()) {
		g.logger.Warn("requests are refused; senders are told to come again", "reason", reason, "error", err)
	}
}

// lastRefusal is when something could not be stored last; zero means never.
func (g *gate) lastRefusal() admin.Refusal {
	if last := g.last.Load(); last != nil {
		return *last
	}
	return admin.Refusal{}
}
