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
	doubts    doubts
	patience  patience
	meters    signalMeters
	notices   notices
	condition condition

	open  func() (journal.Reader, error)
	batch []journal.Record // which is being brought
	end   journal.Offset   // of what has been read

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
		doubts:    newDoubts(p),
		patience:  p,
		meters:    m.of(t.signal, name),
		notices:   notices{logger: logger},
		condition: condition{status: Status{Signal: t.signal, Destination: name, Reader: ReaderName(t.signal, name)}},
	}, nil
}

// begin forwards what reader gives, which is closed by halt. Where the reader has
// to begin again, open gives another one.
func (f *forwarder) begin(reader journal.Reader, open func() (journal.Reader, error)) {
	f.reader, f.open = reader, open
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
		records, err := f.next(stop)
		switch {
		case stop.Err() != nil || errors.Is(err, journal.ErrClosed):
			return
		case errors.Is(err, context.DeadlineExceeded):
			if f.again(stop, send) != nil {
				return
			}
			continue
		case err != nil:
			f.notices.journal("journal cannot be read; trying again", err)
			if !sleep(stop, f.patience.first) {
				return
			}
			continue
		}
		taken, more := time.Now(), fills(records, f.maxBatch)
		if f.bring(stop, send, records) != nil {
			return
		}
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

// bring comes to an end with what has been read.
func (f *forwarder) bring(stop, send context.Context, records []journal.Record) error {
	next := records[len(records)-1].Next
	f.batch = f.fresh(f.own(records))
	f.end = max(f.end, next)
	if err := f.deliver(stop, send, f.batch, f.doubts.taken); err != nil {
		return err
	}
	if err := f.reconsider(stop, send); err != nil {
		return err
	}
	f.settled(f.end)
	return nil
}

// again tries suspects when nothing else has come to read.
func (f *forwarder) again(stop, send context.Context) error {
	if err := f.tryAgain(stop, send); err != nil {
		return err
	}
	f.settled(f.end)
	return nil
}

// deliver comes to an end with each record: the backend has it, or will never
// have it, or it is among the doubts. What is refused as a whole is sent in
// halves, until the record that may be to blame stands alone, or the item where
// the size is to blame. seen is doubts.taken when the records failed first. The
// error says that the forwarder is being stopped.
func (f *forwarder) deliver(stop, send context.Context, records []journal.Record, seen uint64) error {
	records = f.due(records)
	if len(records) == 0 || stop.Err() != nil {
		return stop.Err()
	}
	f.condition.waits(f.doubts.oldest(records[0].Time))
	unsure := f.patience.unsure
	if len(records) > 1 || len(f.doubts.suspects) > 0 { // There is a better way to find out.
		unsure = 0
	}
	a, err := f.persist(stop, send, records, unsure)
	switch {
	case err != nil:
		return err
	case a.verdict == accepted:
		f.accepted(records, a)
	case len(records) > 1:
		f.shrink(records, a)
		return f.deliverBoth(stop, send, seen, [2][]journal.Record{records[:len(records)/2], records[len(records)/2:]})
	default:
		if a.tooLarge {
			if first, second, ok := split(records[0]); ok {
				return f.deliverBoth(stop, send, seen, [2][]journal.Record{{first}, {second}})
			}
		}
		if err := f.failed(stop, send, records[0], seen, a); err != nil {
			return err
		}
	}
	f.settled(records[len(records)-1].Next)
	return nil
}

func (f *forwarder) deliverBoth(stop, send context.Context, seen uint64, halves [2][]journal.Record) error {
	if err := f.deliver(stop, send, halves[0], seen); err != nil {
		return err
	}
	return f.deliver(stop, send, halves[1], seen)
}

// settled notes that there is an end with everything before next that is not
// among the doubts.
func (f *forwarder) settled(next journal.Offset) {
	f.condition.waits(f.doubts.oldest(time.Time{}))
	f.commit(f.doubts.hold(next))
}

func (f *forwarder) accepted(records []journal.Record, a answer) {
	f.doubts.taken++
	f.meters.accepted(records, a.rejected)
	if a.rejected > 0 {
		f.condition.refused(a.reason)
		f.notices.lost(a.rejected, "backend rejected items of a request that it accepted", a.reason)
	}
}

// setAside makes a dead letter of a record. Where that cannot be, because there
// is no room for example, it waits, and all that comes after with it, unless the
// configuration would rather lose it. The error says that the forwarder is being
// stopped; the record is then sent again after the next start.
func (f *forwarder) setAside(stop, send context.Context, record journal.Record, reason string) error {
	f.condition.refused(reason)
	items := uint64(record.Items)
	letter := DeadLetter{
		Destination: f.task.destination.Name,
		Reason:      reason,
		Offset:      record.Offset,
		Accepted:    record.Time,
		Request:     record.Payload,
	}
	for {
		lost, err := f.letters.put(send, record.Signal, record.Items, letter)
		f.meters.lettersLost.Add(float64(lost))
		switch {
		case err == nil:
			f.meters.deadLettered.Add(float64(items))
			f.notices.lost(items, "set aside what the backend will not take", reason)
			f.condition.answered()
			return nil
		case send.Err() != nil:
			return err
		case f.task.letters.mayDrop():
			f.meters.dropped.Add(float64(items))
			f.notices.lost(items, "dropped what the backend will not take", fmt.Sprintf("%s (%v)", reason, err))
			return nil
		}
		f.condition.failed(err.Error())
		f.notices.held(reason, err)
		if !sleep(stop, f.patience.most) {
			return stop.Err()
		}
	}
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
