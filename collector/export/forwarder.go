package export

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// minBatch is below what batches are not made smaller, in bytes.
const minBatch = 64 << 10

// task is what a forwarder has to do.
type task struct {
	signal      journal.Signal
	destination Destination
	letters     DeadLetters
}

// forwarder brings the records of one signal to one backend, in order. It
// commits its cursor when the backend has answered for them, so that a crash
// repeats at most one batch.
type forwarder struct {
	task      task
	reader    journal.Reader
	client    client
	letters   *letterBox
	maxBatch  int
	patience  patience
	meters    signalMeters
	notices   notices
	condition condition

	stop, cut context.CancelFunc
	running   sync.WaitGroup
}

// newForwarder fails when the destination's files are of no use. Nothing runs
// before begin.
func newForwarder(t task, p patience, m *meters, logger *slog.Logger) (*forwarder, error) {
	name := t.destination.Name
	c, err := newClient(t.destination, t.signal)
	if err != nil {
		return nil, fmt.Errorf("export %v to %s: %w", t.signal, name, err)
	}
	logger = logger.With("signal", t.signal.String(), "destination", name)
	return &forwarder{
		task:      t,
		client:    c,
		letters:   newLetterBox(t.letters, t.signal, name, logger),
		maxBatch:  t.destination.batchBytes(),
		patience:  p,
		meters:    m.of(t.signal, name),
		notices:   notices{logger: logger},
		condition: condition{status: Status{Signal: t.signal, Destination: name, Reader: ReaderName(t.signal, name)}},
	}, nil
}

// begin forwards what reader gives, which is closed by halt.
func (f *forwarder) begin(reader journal.Reader) {
	f.reader = reader
	stop, cancelStop := context.WithCancel(context.Background())
	send, cancelSend := context.WithCancel(context.Background())
	f.stop, f.cut = cancelStop, cancelSend
	f.running.Go(func() { f.run(stop, send) })
}

// halt ends forwarding. An attempt in progress goes on until ctx is done.
func (f *forwarder) halt(ctx context.Context) error {
	f.stop()
	release := context.AfterFunc(ctx, f.cut)
	f.running.Wait()
	release()
	f.cut()
	f.client.close()
	if err := errors.Join(f.letters.close(), f.reader.Close()); err != nil {
		return fmt.Errorf("export %v to %s: %w", f.task.signal, f.task.destination.Name, err)
	}
	return nil
}

// run ends when stop is done, or with the journal. An attempt that is in
// progress is then ended by send.
func (f *forwarder) run(stop, send context.Context) {
	for {
		records, err := f.reader.Next(stop, f.maxBatch)
		switch {
		case stop.Err() != nil || errors.Is(err, journal.ErrClosed):
			return
		case err != nil:
			f.notices.journal("journal cannot be read; trying again", err)
			if !sleep(stop, f.patience.first) {
				return
			}
			continue
		}
		taken, more := time.Now(), fills(records, f.maxBatch)
		next := records[len(records)-1].Next
		if err := f.deliver(stop, send, f.own(records)); err != nil {
			return
		}
		f.commit(next)
		if linger := f.task.destination.Linger; !more && !sleep(stop, linger-time.Since(taken)) {
			return
		}
	}
}

// fills says whether records are about as many as make a batch: the journal has
// more of them, or will soon. Small ones count for more than their bytes, as
// reading them stops sooner.
func fills(records []journal.Record, batch int) bool {
	const each = 64
	_, size := weigh(records)
	last := len(records[len(records)-1].Payload)
	return int(size)+last > batch || int(size)+each*len(records) > batch/4*3
}

// own keeps the records of the forwarder's signal.
func (f *forwarder) own(records []journal.Record) []journal.Record {
	own := records[:0]
	for i := range records {
		if records[i].Signal == f.task.signal {
			own = append(own, records[i])
		}
	}
	return own
}

// deliver comes to an end with each record: the backend has it, or will never
// have it. What is refused as a whole is sent in halves, until the record that
// is to blame stands alone, or the item where the size is to blame. The error says that the forwarder is being stopped.
func (f *forwarder) deliver(stop, send context.Context, records []journal.Record) error {
	if len(records) == 0 || stop.Err() != nil {
		return stop.Err()
	}
	f.condition.waits(records[0].Time)
	a, err := f.persist(stop, send, records)
	switch {
	case err != nil:
		return err
	case a.verdict == accepted:
		f.accepted(records, a)
	case len(records) > 1:
		f.shrink(records, a)
		return f.deliverBoth(stop, send, records[:len(records)/2], records[len(records)/2:])
	default:
		if a.tooLarge {
			if first, second, ok := split(records[0]); ok {
				return f.deliverBoth(stop, send, []journal.Record{first}, []journal.Record{second})
			}
		}
		if err := f.setAside(send, records[0], a.reason); err != nil {
			return err
		}
	}
	f.condition.waits(time.Time{})
	f.commit(records[len(records)-1].Next)
	return nil
}

func (f *forwarder) deliverBoth(stop, send context.Context, first, second []journal.Record) error {
	if err := f.deliver(stop, send, first); err != nil {
		return err
	}
	return f.deliver(stop, send, second)
}

func (f *forwarder) accepted(records []journal.Record, a answer) {
	f.meters.accepted(records, a.rejected)
	if a.rejected > 0 {
		f.condition.refused(a.reason)
		f.notices.lost(a.rejected, "backend rejected items of a request that it accepted", a.reason)
	}
}

// setAside makes a dead letter of a record. The error says that the forwarder
// is being stopped; the record is then sent again after the next start.
func (f *forwarder) setAside(send context.Context, record journal.Record, reason string) error {
	f.condition.refused(reason)
	items := uint64(record.Items)
	err := f.letters.put(send, record.Signal, record.Items, DeadLetter{
		Destination: f.task.destination.Name,
		Reason:      reason,
		Offset:      record.Offset,
		Accepted:    record.Time,
		Request:     record.Payload,
	})
	switch {
	case err == nil:
		f.meters.deadLettered.Add(float64(items))
		f.notices.lost(items, "set aside what the backend will not take", reason)
	case send.Err() != nil:
		return err
	default:
		f.meters.dropped.Add(float64(items))
		f.notices.lost(items, "dropped what the backend will not take", fmt.Sprintf("%s (%v)", reason, err))
	}
	return nil
}

// shrink keeps further batches below what the backend found too large. Halves
// of a batch that was read before may be larger than that already.
func (f *forwarder) shrink(records []journal.Record, a answer) {
	_, size := weigh(records)
	half := max(int(size/2), minBatch)
	if a.tooLarge && int(size) <= f.maxBatch && half < f.maxBatch {
		f.maxBatch = half
		f.notices.smaller(half, a.reason)
	}
}

// commit moves the cursor. Where it fails, a later commit makes up for it.
func (f *forwarder) commit(next journal.Offset) {
	if err := f.reader.Commit(next); err != nil && !errors.Is(err, journal.ErrClosed) {
		f.notices.journal("cursor cannot be committed; what was sent may be sent again after a restart", err)
	}
}
