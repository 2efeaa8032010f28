package export

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/waybill-dev/waybill/collector/journal"
)

// A record is to blame only when the backend fails over it, or refuses it, after
// it has accepted another one since this one failed first. Until then the backend
// itself may be what is wrong: the record becomes a suspect, those after it are
// tried, and the cursor stays. As long as nothing at all is accepted, nothing is
// set aside; suspects are then few, and tried again and again.
const (
	maxSuspects = 64
	// maxSuspectBytes is from what size on no further record is suspected.
	maxSuspectBytes = 2 << 20
	// credit is how many records may be refused for good on the word of one
	// that was accepted out of turn.
	credit = 1000
)

// suspect is a record that failed alone.
type suspect struct {
	record journal.Record // with bytes of its own
	seen   uint64         // doubts.taken when it failed first
}

// doubts are the records that may be to blame, in order. It is used by one
// goroutine.
type doubts struct {
	taken    uint64 // counts the requests that the backend has accepted
	suspects []suspect
	turn     int
	pause    *backoff.ExponentialBackOff

	credit    int                         // records that may be refused for good without another word
	scoutedAt time.Time                   // when the journal's end was tried last
	early     map[journal.Offset]struct{} // accepted out of turn, and to come yet
}

func newDoubts(p patience) doubts {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = p.first, p.most
	return doubts{pause: pause, early: map[journal.Offset]struct{}{}}
}

// full says that the next record is to wait for these.
func (d *doubts) full() bool {
	size := 0
	for i := range d.suspects {
		size += len(d.suspects[i].record.Payload)
	}
	return len(d.suspects) >= maxSuspects || size >= maxSuspectBytes
}

// hold is the offset that no cursor may pass, if there is one.
func (d *doubts) hold(next journal.Offset) journal.Offset {
	if len(d.suspects) == 0 {
		return next
	}
	return min(next, d.suspects[0].record.Offset)
}

// oldest is when the first suspect was acknowledged, or else the other time.
func (d *doubts) oldest(other time.Time) time.Time {
	if len(d.suspects) == 0 {
		return other
	}
	return d.suspects[0].record.Time
}

func (d *doubts) remove(i int) {
	d.suspects = slices.Delete(d.suspects, i, i+1)
	if len(d.suspects) == 0 {
		d.pause.Reset()
	}
}

// next is reader.Next, but returns context.DeadlineExceeded when it is time to
// try suspects again.
func (f *forwarder) next(stop context.Context) ([]journal.Record, error) {
	if len(f.doubts.suspects) == 0 {
		return f.reader.Next(stop, f.maxBatch)
	}
	ctx, cancel := context.WithTimeout(stop, f.doubts.pause.NextBackOff())
	defer cancel()
	return f.reader.Next(ctx, f.maxBatch)
}

// failed decides what becomes of a record that failed alone, and was in a request
// that failed when doubts.taken was seen. A backend that refuses is taken at its
// word: what it has accepted since then counts. One that fails has to accept
// something after it has failed over this record alone. The error says that the
// forwarder is being stopped.
func (f *forwarder) failed(stop, send context.Context, record journal.Record, seen uint64, a answer) error {
	d := &f.doubts
	switch {
	case a.verdict != refused:
		seen = d.taken
	case d.taken > seen:
		return f.setAside(stop, send, record, a.reason)
	case d.credit > 0:
		d.credit--
		return f.setAside(stop, send, record, a.reason)
	}
	f.condition.failed(a.reason)
	record.Payload = bytes.Clone(record.Payload)
	d.suspects = append(d.suspects, suspect{record, seen})
	for d.full() {
		if !sleep(stop, d.pause.NextBackOff()) {
			return stop.Err()
		}
		if err := f.tryAgain(stop, send); err != nil {
			return err
		}
		if d.full() && time.Since(d.scoutedAt) >= f.patience.scout {
			if err := f.scout(stop, send); err != nil {
				return err
			}
		}
	}
	return nil
}

// tryAgain tries two suspects, of which nobody knows yet whether they are to
// blame: the first, so that order is kept when the backend is back, and another
// one, in turn, in case that the first is indeed to blame.
func (f *forwarder) tryAgain(stop, send context.Context) error {
	f.doubts.turn++
	others := len(f.doubts.suspects) - 1
	if err := f.try(stop, send, 0, 0); err != nil {
		return err
	}
	if others > 0 && others == len(f.doubts.suspects)-1 { // The first is a suspect still.
		if err := f.try(stop, send, 1+f.doubts.turn%others, 0); err != nil {
			return err
		}
	}
	return f.reconsider(stop, send)
}

// reconsider comes to an end with each suspect since whose failure the backend
// has accepted something.
func (f *forwarder) reconsider(stop, send context.Context) error {
	for {
		i := slices.IndexFunc(f.doubts.suspects, func(s suspect) bool { return f.doubts.taken > s.seen })
		if i < 0 {
			return nil
		}
		if err := f.try(stop, send, i, f.patience.unsure); err != nil {
			return err
		}
	}
}

// try sends one suspect again. It stays one when it fails while nothing else has
// been accepted.
func (f *forwarder) try(stop, send context.Context, i int, unsure time.Duration) error {
	s := f.doubts.suspects[i]
	alone := []journal.Record{s.record}
	a, err := f.persist(stop, send, alone, unsure)
	switch {
	case err != nil:
		return err
	case a.verdict == accepted:
		f.accepted(alone, a)
	case f.doubts.taken > s.seen:
		if err := f.setAside(stop, send, s.record, a.reason); err != nil {
			return err
		}
	default:
		f.notices.failed(a.reason, f.condition.failed(a.reason), f.patience.most)
		return nil
	}
	f.doubts.remove(i)
	return nil
}
