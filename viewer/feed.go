package viewer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
	"github.com/waybill-dev/waybill/viewer/index"
)

const (
	// feedBytes is how much of the journal is read at once.
	feedBytes = 4 << 20
	// idle is how long to wait for records before quiet traces are settled.
	idle = time.Second
)

// feed reads the journal into the index, from its oldest record on.
type feed struct {
	journal journal.Journal
	reader  journal.Reader
	index   *index.Index
	logger  *slog.Logger
	oldest  journal.Offset
	links   []index.Link
}

// run ends when ctx does, or when the journal is closed.
func (f *feed) run(ctx context.Context) error {
	for {
		now, err := f.step(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, journal.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("read the journal: %w", err)
		}
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
	records, err := f.reader.Next(wait, feedBytes)
	if errors.Is(err, context.DeadlineExceeded) {
		return time.Now(), nil
	}
	if err != nil {
		return time.Time{}, err
	}
	for _, record := range records {
		if err := f.add(record); err != nil {
			f.logger.Error("a journal record is not indexed", "offset", uint64(record.Offset), "error", err)
		}
	}
	return records[len(records)-1].Time, nil
}

func (f *feed) add(record journal.Record) error {
	from := index.Origin{Offset: record.Offset, Time: record.Time}
	switch record.Signal {
	case journal.Traces:
		return wire.WalkSpans(record.Payload, func(r *wire.Resource, _ *wire.Scope, s *wire.Span) error {
			if s.HasIDs() {
				span := index.FromWire(r, s, f.links)
				f.links = span.Links
				f.index.AddSpan(from, span)
			}
			return nil
		})
	case journal.Logs:
		return wire.WalkLogs(record.Payload, func(_ *wire.Resource, _ *wire.Scope, l *wire.LogRecord) error {
			if l.TraceID != (wire.TraceID{}) {
				f.index.AddLog(from, index.TraceID(l.TraceID))
			}
			return nil
		})
	}
	return nil
}
