package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// scout tries the newest record that there is, out of turn. A backend that
// refuses all that is too old, as Prometheus does after an outage, is told from
// one that refuses everything by this. The error says that the forwarder is being
// stopped.
func (f *forwarder) scout(stop, send context.Context) error {
	f.doubts.scoutedAt = time.Now()
	for i := range f.batch { // It outlives reading on.
		f.batch[i].Payload = bytes.Clone(f.batch[i].Payload)
	}
	newest, found, err := f.newest(stop)
	if last := len(f.batch) - 1; !found && last >= 0 && f.isUntried(f.batch[last]) {
		newest, found = f.batch[last], true
	}
	if err == nil && found {
		err = f.tryEarly(stop, send, newest)
	}
	if err != nil {
		return err
	}
	return f.reconsider(stop, send)
}

// newest reads up to about the journal's end, and has the reader begin at its
// cursor again. It finds nothing where all has been tried.
func (f *forwarder) newest(stop context.Context) (newest journal.Record, found bool, err error) {
	for more := true; more; {
		ctx, cancel := context.WithTimeout(stop, f.patience.first)
		var records []journal.Record
		records, err = f.reader.Next(ctx, f.maxBatch)
		cancel()
		if err != nil {
			break
		}
		more = fills(records, f.maxBatch)
		for _, record := range slices.Backward(f.own(records)) {
			if f.isUntried(record) && record.Offset >= f.end {
				newest, found = record, true
				newest.Payload = bytes.Clone(record.Payload)
				break
			}
		}
	}
	if stop.Err() != nil {
		return newest, false, stop.Err()
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		f.notices.journal("journal cannot be read; trying again", err)
	}
	if err := f.reader.Close(); err != nil {
		f.notices.journal("cursor cannot be closed", err)
	}
	reader, err := f.open()
	if err != nil {
		return newest, false, fmt.Errorf("begin again: %w", err)
	}
	f.reader = reader
	return newest, found, nil
}

// tryEarly sends a record that is to come again in its turn, and notes when that
// was accepted.
func (f *forwarder) tryEarly(stop, send context.Context, newest journal.Record) error {
	alone := []journal.Record{newest}
	a, err := f.persist(stop, send, alone, 0)
	if err == nil && a.verdict == accepted {
		f.accepted(alone, a)
		f.doubts.credit = credit
		f.doubts.early[newest.Offset] = struct{}{}
	}
	return err
}

// isUntried says that a record has neither been suspected nor sent.
func (f *forwarder) isUntried(record journal.Record) bool {
	_, early := f.doubts.early[record.Offset]
	suspects := f.doubts.suspects
	return !early && (len(suspects) == 0 || record.Offset > suspects[len(suspects)-1].record.Offset)
}

// due leaves out what was sent out of turn.
func (f *forwarder) due(records []journal.Record) []journal.Record {
	if len(f.doubts.early) == 0 {
		return records
	}
	return slices.DeleteFunc(records, func(record journal.Record) bool {
		_, early := f.doubts.early[record.Offset]
		delete(f.doubts.early, record.Offset)
		return early
	})
}

// fresh leaves out what a reader that began again comes by once more.
func (f *forwarder) fresh(records []journal.Record) []journal.Record {
	return slices.DeleteFunc(records, func(record journal.Record) bool { return record.Offset < f.end })
}
