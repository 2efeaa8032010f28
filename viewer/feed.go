package viewer

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/viewer/index"
)

const (
	// feedBytes is how much of the journal is read at once.
	feedBytes = 4 << 20
	// idle is how long to wait for records before quiet traces are settled.
	idle = time.Second
	// After a failed read the feed waits, at first this long, then up to
	// maxPause, and goes on where it stood.
	firstPause = 100 * time.Millisecond
	maxPause   = 30 * time.Second
)

// feed reads the journal into the index, from its oldest record on.
type feed struct {
	journal journal.Journal
	reader  journal.Reader
	index   *index.Index
	logger  *slog.Logger
	// report tells those who ask how far the feed has come, and what keeps it.
	report func(next journal.Offset, fault error)

	next   journal.Offset
	oldest journal.Offset
	pause  time.Duration
}

// run ends when ctx does, or when the journal is closed. An error of the
// journal is reported and tried again: a viewer that has quietly stopped would
// show old traces as if they were all.
func (f *feed) run(ctx context.Context) {
	for {
		now, err := f.step(ctx)
		if ctx.Err() != nil || errors.Is(err, journal.ErrClosed) {
			return
		}
		if err != nil {
			f.wait(ctx, err)
			continue
		}
		f.recovered()
		f.index.Tick(now)
		if oldest := f.journal.Stats().Oldest; oldest != f.oldest {
			f.oldest = oldest
			f.index.Forget(oldest)
		}
	}
}

// step indexes what has come, and tells the time to which that was.
func (f *feed) step(ctx context.Context) (time.Time, error) {
	wait, cancel := context.WithTimeout(ctx, idle)
	defer cancel()
	end := f.journal.Stats().End
	records, err := f.reader.Next(wait, feedBytes)
	if errors.Is(err, context.DeadlineExceeded) {
		// Nothing more was there, so everything up to the end has been seen,
		// even where damage was skipped.
		f.next = max(f.next, end)
		return time.Now(), nil
	}
	if err != nil {
		return time.Time{}, err
	}
	for _, record := range records {
		if err := f.index.AddRecord(record); err != nil {
			f.logger.Error("a journal record is not indexed", "offset", uint64(record.Offset), "error", err)
		}
	}
	last := records[len(records)-1]
	f.next = last.Next
	return last.Time, nil
}

// wait reports the error, once in the log, and lets some time pass.
func (f *feed) wait(ctx context.Context, err error) {
	if f.pause == 0 {
		f.logger.Error("the viewer cannot read the journal and tries again", "error", err)
	}
	f.report(f.next, err)
	f.pause = min(max(2*f.pause, firstPause), maxPause)
	timer := time.NewTimer(f.pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (f *feed) recovered() {
	if f.pause > 0 {
		f.logger.Info("the viewer reads the journal again")
	}
	f.pause = 0
	f.report(f.next, nil)
}
