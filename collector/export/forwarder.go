package export

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/waybill-dev/waybill/collector/journal"
)

// patience is how a forwarder waits. Tests have less of it.
type patience struct {
	// first and most bound the time between two attempts.
	first, most time.Duration
	// unsure is how long a single record is sent again that the backend fails
	// over.
	unsure time.Duration
}

func defaultPatience() patience {
	return patience{first: 250 * time.Millisecond, most: 15 * time.Second, unsure: 2 * time.Minute}
}

// forwarder brings the records of one signal to one backend, in order. It
// commits its cursor when the backend has answered for them, so that a crash
// repeats at most one batch.
type forwarder struct {
	signal   journal.Signal
	reader   journal.Reader
	client   *client
	maxBatch int
	patience patience
	meters   signalMeters
	notices  notices
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
		next := records[len(records)-1].Next
		if err := f.deliver(stop, send, f.own(records)); err != nil {
			return
		}
		f.commit(next)
	}
}

// own keeps the records of the forwarder's signal.
func (f *forwarder) own(records []journal.Record) []journal.Record {
	own := records[:0]
	for i := range records {
		if records[i].Signal == f.signal {
			own = append(own, records[i])
		}
	}
	return own
}

// deliver comes to an end with each record: the backend has it, or will never
// have it. What is refused as a whole is sent in halves, until the record that
// is to blame stands alone. The error says that the forwarder is being stopped.
func (f *forwarder) deliver(stop, send context.Context, records []journal.Record) error {
	if len(records) == 0 || stop.Err() != nil {
		return stop.Err()
	}
	a, err := f.persist(stop, send, records)
	switch {
	case err != nil:
		return err
	case a.verdict == accepted:
		f.meters.accepted(records, a.rejected)
		if a.rejected > 0 {
			f.notices.lost(a.rejected, "backend rejected items of a request that it accepted", a.reason)
		}
	case len(records) == 1:
		f.meters.dropped.Add(float64(records[0].Items))
		f.notices.lost(uint64(records[0].Items), "dropped what the backend will not take", a.reason)
	default:
		half := len(records) / 2
		if err := f.deliver(stop, send, records[:half]); err != nil {
			return err
		}
		return f.deliver(stop, send, records[half:])
	}
	f.commit(records[len(records)-1].Next)
	return nil
}

// persist sends records as one request, again and again while that may help.
func (f *forwarder) persist(stop, send context.Context, records []journal.Record) (answer, error) {
	if err := f.client.load(records); err != nil {
		return answer{verdict: refused, reason: err.Error()}, nil
	}
	began := time.Now()
	var a answer
	attempt := func() (answer, error) {
		a = f.attempt(send)
		if a.verdict == unsure && len(records) == 1 && time.Since(began) < f.patience.unsure {
			a.verdict = later
		}
		switch {
		case a.verdict != later:
			return a, nil
		case a.wait > 0:
			return a, errors.Join(errors.New(a.reason), &backoff.RetryAfterError{Duration: a.wait})
		}
		return a, errors.New(a.reason)
	}
	intervals := backoff.NewExponentialBackOff()
	intervals.InitialInterval, intervals.MaxInterval = f.patience.first, f.patience.most
	_, err := backoff.Retry(stop, attempt,
		backoff.WithBackOff(intervals),
		backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(_ error, next time.Duration) {
			f.meters.retries.Inc()
			f.notices.failed(a.reason, next)
		}))
	if err == nil {
		f.notices.answered()
	}
	return a, err
}

func (f *forwarder) attempt(send context.Context) answer {
	began := time.Now()
	a := f.client.post(send)
	f.meters.answered(a.verdict, time.Since(began))
	return a
}

// commit moves the cursor. Where it fails, a later commit makes up for it.
func (f *forwarder) commit(next journal.Offset) {
	if err := f.reader.Commit(next); err != nil && !errors.Is(err, journal.ErrClosed) {
		f.notices.journal("cursor cannot be committed; what was sent may be sent again after a restart", err)
	}
}

// sleep returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func newForwarder(d Destination, signal journal.Signal, m *meters, logger *slog.Logger) *forwarder {
	c := newClient(d, signal)
	return &forwarder{
		signal:   signal,
		client:   c,
		maxBatch: d.MaxBatchBytes,
		patience: defaultPatience(),
		meters:   m.of(signal),
		notices:  notices{logger: logger.With("signal", signal.String())},
	}
}
