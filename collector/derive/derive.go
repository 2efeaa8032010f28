package derive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/derive/push"
	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/listen"
)

// ReaderName is the name by which deriving keeps its place in the journal.
const ReaderName = "derive-red"

const (
	// batchBytes bounds what is counted between two commits.
	batchBytes = 1 << 20
	// idleAfter is how long nothing must come for the graph to look at the clock.
	idleAfter = time.Second
	// retryAfter is the wait after the journal could not be read.
	retryAfter = time.Second
	// complainEvery is how often a lasting trouble is logged.
	complainEvery = time.Minute
)

// Deriver counts spans, and serves and pushes the counts. Counters live in
// memory: after a restart they begin at zero, from the cursor on, which is what
// Prometheus expects of a counter. A crash may count a batch twice, never not
// at all.
//
// The cursor does not wait for the graph. What waits for its other end when
// the collector stops is not read again, since then all that came after it
// would count twice in RED: of the requests that were under way at a restart
// the graph lacks some, and the rest is exact.
type Deriver struct {
	scan     *scan
	reader   journal.Reader
	progress *progress
	logger   *slog.Logger
	door     *listen.Door // of scrapes; nil: off
	pushers  []*push.Pusher
	stop     context.CancelFunc
	running  sync.WaitGroup

	complained time.Time // of run
}

// Start listens for scrapes, opens a reader of j and begins to count, and to
// push. ctx bounds the start only; Shutdown ends what was started. The derived
// metrics have a registry of their own, and are at /metrics; waybill_derive_…
// are registered with reg. cfg must be enabled.
func Start(ctx context.Context, cfg Config, j journal.Journal, reg prometheus.Registerer, logger *slog.Logger) (*Deriver, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m := newMeters()
	d := &Deriver{scan: newScan(cfg, m), progress: newProgress(), logger: logger}
	derived := prometheus.NewRegistry()
	if err := errors.Join(d.scan.register(derived), m.register(reg, d.scan)); err != nil {
		return nil, fmt.Errorf("derive metrics: %w", err)
	}
	var err error
	if cfg.scraped() {
		if d.door, err = listenForScrapes(ctx, cfg, reg, logger); err != nil {
			return nil, err
		}
	}
	if d.reader, err = j.Reader(ReaderName); err != nil {
		d.closeDoor(canceled())
		return nil, fmt.Errorf("derive: %w", err)
	}
	d.progress.reach(j.Stats().Cursors[ReaderName])
	stop, cancel := context.WithCancel(context.Background())
	d.stop = cancel
	gatherer := current{derived, j, d.progress, stop}
	if err := d.startPushers(cfg, gatherer, reg); err != nil {
		cancel()
		d.closeDoor(canceled())
		return nil, errors.Join(err, d.reader.Close())
	}
	if d.door != nil {
		d.door.Serve(serveScrapes(gatherer, logger))
	}
	d.running.Go(func() { d.run(stop) })
	return d, nil
}

// startPushers starts all or none.
func (d *Deriver) startPushers(cfg Config, g prometheus.Gatherer, reg prometheus.Registerer) error {
	add := func(p *push.Pusher, err error) error {
		if err == nil {
			d.pushers = append(d.pushers, p)
		}
		return err
	}
	var err error
	if cfg.RemoteWrite.Enabled() {
		err = add(push.StartRemoteWrite(cfg.RemoteWrite, g, reg, d.logger))
	}
	if err == nil && cfg.OTLP.Enabled() {
		err = add(push.StartOTLP(cfg.OTLP, g, reg, d.logger))
	}
	if err != nil {
		d.stopPushers(canceled())
		return fmt.Errorf("push derived metrics: %w", err)
	}
	return nil
}

// stopPushers has them push what is left, all at once.
func (d *Deriver) stopPushers(ctx context.Context) {
	var all sync.WaitGroup
	for _, p := range d.pushers {
		all.Go(func() { p.Shutdown(ctx) })
	}
	all.Wait()
}

// canceled is for what is to end at once.
func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// run ends with stop, or with the journal.
func (d *Deriver) run(stop context.Context) {
	var pace pace
	for {
		records, err := d.next(stop)
		switch {
		case stop.Err() != nil || errors.Is(err, journal.ErrClosed):
			return
		case errors.Is(err, context.DeadlineExceeded):
			d.scan.idle(time.Now())
			continue
		case err != nil:
			d.complain("journal cannot be read for metrics; trying again", err)
			select {
			case <-time.After(retryAfter):
			case <-stop.Done():
				return
			}
			continue
		}
		now, size, last := time.Now(), 0, records[len(records)-1]
		for i := range records {
			size += len(records[i].Payload)
		}
		d.scan.count(now, records)
		if err := d.reader.Commit(last.Next); err != nil && !errors.Is(err, journal.ErrClosed) {
			d.complain("cursor cannot be committed; spans may count again after a restart", err)
		}
		d.progress.reach(last.Next)
		d.progress.pause(stop, pace.rest(now, last.Time, size))
	}
}

// next waits for records, but not for ever.
func (d *Deriver) next(stop context.Context) ([]journal.Record, error) {
	ctx, cancel := context.WithTimeout(stop, idleAfter)
	defer cancel()
	return d.reader.Next(ctx, batchBytes)
}

// complain logs a lasting trouble now and then.
func (d *Deriver) complain(message string, err error) {
	if now := time.Now(); now.Sub(d.complained) >= complainEvery {
		d.complained = now
		d.logger.Error(message, "error", err)
	}
}

// Shutdown ends counting and closes the reader. Scrapes in progress may take a
// second more, and the last push three, or until ctx ends; then they are cut
// off.
func (d *Deriver) Shutdown(ctx context.Context) error {
	d.stop()
	d.closeDoor(ctx)
	d.running.Wait()
	d.stopPushers(ctx)
	return d.reader.Close()
}
