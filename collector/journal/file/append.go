package file

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

const (
	// groupBytes is the size from which a group takes no further record. It
	// bounds the memory of a group to this and one record. A sync of so much
	// takes the disk's time for writing, and little for being asked.
	groupBytes = 1 << 20
	// keptBytes is the largest buffer that is kept for the next group.
	keptBytes = 4 << 20
	// smallBytes is the largest buffer that is kept however little was in it.
	smallBytes = 256 << 10
)

// group is the records that one write and one sync make safe. Appenders fill
// one while the committer writes the other.
type group struct {
	frames  []byte // records end to end; sealed when they are written
	entries []entry
	uses    int // by the committer, the tail and readers; guarded by Journal.mu
}

// reset empties a group. A buffer that one huge record has left is given up, and so
// is one that a busier time has left: it would take the place of several groups in
// the tail.
func (g *group) reset() {
	used := len(g.frames)
	g.frames = g.frames[:0]
	if cap(g.frames) > keptBytes || cap(g.frames) > max(4*used, smallBytes) {
		g.frames = nil
	}
}

// entry is a record in a group.
type entry struct {
	size   int
	sum    uint32 // payloadSum
	signal journal.Signal
	at     time.Time
	waiter *waiter
}

// waiter is an Append that waits for its answer. The channel has capacity one,
// so that the committer never waits for an appender that has gone.
type waiter struct{ answer chan answer }

type answer struct {
	off journal.Offset
	err error
}

// waiters are used again; each comes back with its channel empty.
type waiters struct{ pool sync.Pool }

func (w *waiters) get() *waiter {
	if waiter, ok := w.pool.Get().(*waiter); ok {
		return waiter
	}
	return &waiter{answer: make(chan answer, 1)}
}

func (w *waiters) put(waiter *waiter) { w.pool.Put(waiter) }

// Append implements journal.Journal. Calls that come while the disk is busy
// share one write and one sync; a lone call waits for nobody. Errors beside the
// contract's are the disk's; they are worth a retry.
func (j *Journal) Append(ctx context.Context, signal journal.Signal, items uint32, payload []byte) (journal.Offset, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if signal < journal.Traces || signal > journal.Logs {
		return 0, fmt.Errorf("append: signal %d is unknown", signal)
	}
	if int64(len(payload)) > j.cfg.SegmentBytes-fileHeader-recordHeader {
		return 0, fmt.Errorf("append %d bytes to segments of %d: %w", len(payload), j.cfg.SegmentBytes, journal.ErrTooLarge)
	}
	e := entry{
		size:   recordHeader + len(payload),
		sum:    payloadSum(payload),
		signal: signal,
		at:     time.Now(),
		waiter: j.waiters.get(),
	}
	if err := j.enqueue(ctx, e, items, payload); err != nil {
		j.waiters.put(e.waiter)
		return 0, err
	}
	select {
	case a := <-e.waiter.answer:
		j.waiters.put(e.waiter)
		return a.off, a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// enqueue copies a record into the pending group, when there is room in it.
func (j *Journal) enqueue(ctx context.Context, e entry, items uint32, payload []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for !j.closed && len(j.pending.frames) >= groupBytes {
		if j.room == nil {
			j.room = make(chan struct{})
		}
		if err := j.waitForRoom(ctx, j.room); err != nil {
			return err
		}
	}
	if j.closed {
		return journal.ErrClosed
	}
	g := j.pending
	g.frames = appendFrame(g.frames, e.at, e.signal, items, payload)
	g.entries = append(g.entries, e)
	poke(j.wake)
	return nil
}

// waitForRoom lets go of mu while the committer takes the pending group.
func (j *Journal) waitForRoom(ctx context.Context, room <-chan struct{}) error {
	j.mu.Unlock()
	defer j.mu.Lock()
	select {
	case <-room:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take swaps the pending group for an empty one.
func (j *Journal) take() *group {
	j.mu.Lock()
	defer j.mu.Unlock()
	g := j.pending
	g.uses = 1
	j.pending, j.spare = j.spare, nil
	if j.room != nil {
		close(j.room)
		j.room = nil
	}
	return g
}

// giveBack ends the committer's use of a group that has been answered, and
// has another one filled next.
func (j *Journal) giveBack(g *group) {
	clear(g.entries)
	g.entries = g.entries[:0]
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tail.letGo(g)
	j.spare = j.tail.unused()
}
