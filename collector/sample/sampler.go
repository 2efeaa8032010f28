package sample

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
)

// ReaderName is the name by which sampling keeps its place in the journal.
const ReaderName = "sample"

const (
	// batchBytes bounds what is read at once.
	batchBytes = 1 << 20
	// handBytes is about how much is handed on at once.
	handBytes = 1 << 20
	// keptBytes is the largest buffer that is kept to be used again.
	keptBytes = 4 << 20
	// handEvery is how often what was decided is handed on.
	handEvery = 500 * time.Millisecond
	// stopTime is what Shutdown gives to handing on.
	stopTime = 2 * time.Second
	// maxRest bounds how long the journal is left alone while records come. To
	// wake up for each of them would cost more than to take it in.
	maxRest = 50 * time.Millisecond
	// restBytes is about how much is to come meanwhile. It is still in the
	// journal's memory then, also where the rest takes longer than it should.
	restBytes = batchBytes / 2
	// retryAfter is the wait after a journal could not be read or written.
	retryAfter = time.Second
	// complainEvery is how often a lasting trouble is logged.
	complainEvery = time.Minute
)

// Journals are what a sampler works on. They stay the caller's.
type Journals struct {
	// In has all that was received.
	In journal.Journal
	// Kept takes what was chosen.
	Kept journal.Journal
	// Decisions takes what was decided. Nobody else reads it.
	Decisions journal.Journal
}

// Sampler reads traces, and appends those that the policies choose to another
// journal, whole.
//
// What has been decided is first handed on, then written down, and only then
// does the cursor pass it; the cursor stays before the oldest span whose trace
// is not decided. After a crash the sampler reads on from there, leaves out what
// has been dealt with, and decides the rest as it would have. What was being
// handed on at the crash may be handed on twice, and nothing is lost.
type Sampler struct {
	journals Journals
	engine   *engine
	pending  *pending
	meters   *meters
	reader   journal.Reader
	logger   *slog.Logger
	fresh    atomic.Pointer[head] // the rates to sample by
	stop     context.CancelFunc   // ends reading
	cut      context.CancelFunc   // ends handing on
	running  sync.WaitGroup

	// Of run.
	cutter     cutter
	again      []byte // the record that is cut out of
	hand       []byte
	handSpans  int
	cuttings   []cutting // of the hand, one for each record
	handedOn   time.Time
	readAt     time.Time
	pause      time.Duration // before it reads again
	complained time.Time
}

// cutting is what was cut out of one record: so many spans, up to end in the
// hand.
type cutting struct{ end, spans int }

// Start opens a reader and begins to choose. Metrics are registered at reg.
// cfg must be enabled. Shutdown ends it.
func Start(ctx context.Context, cfg Config, journals Journals, reg prometheus.Registerer, logger *slog.Logger) (*Sampler, error) {
	m := newMeters(cfg.Tail.Policies)
	if err := m.register(reg, journals.Kept); err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	p := newPending(m)
	e := newEngine(cfg, newBench(cfg.Tail.Policies), p, m.evicted.Inc)
	p.engine = e
	s := &Sampler{journals: journals, engine: e, pending: p, meters: m, logger: logger}
	if err := recall(ctx, journals.Decisions, journals.In.Stats().End, e.memory); err != nil {
		return nil, err
	}
	var err error
	if s.reader, err = journals.In.Reader(ReaderName); err != nil {
		return nil, err
	}
	s.fresh.Store(e.head)
	stop, cancelStop := context.WithCancel(context.Background())
	hand, cancelHand := context.WithCancel(context.Background())
	s.stop, s.cut = cancelStop, cancelHand
	s.running.Go(func() { s.run(stop, hand) })
	return s, nil
}

// Reconfigure samples by other rates from the next record on. Traces that wait
// are sampled by the rates that were there when their root came, and late spans
// follow what was decided. cfg must be valid.
func (s *Sampler) Reconfigure(cfg HeadConfig) { s.fresh.Store(newHead(cfg)) }

// Shutdown ends choosing and closes the reader. What has been decided is handed
// on for two seconds more, or until ctx ends; what is left may be handed on
// twice, once after the next start. Traces that are not decided wait in the
// journal.
func (s *Sampler) Shutdown(ctx context.Context) error {
	s.stop()
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	release := context.AfterFunc(ctx, s.cut)
	s.running.Wait()
	release()
	s.cut()
	return s.reader.Close()
}

// run ends with stop, and then hands on what has been decided, or with one of
// the journals. Handing on ends with hand.
func (s *Sampler) run(stop, hand context.Context) {
	for {
		err := s.read(stop)
		if err == nil && s.due() {
			err = s.handOn(hand)
		}
		if err == nil {
			sleep(stop, s.pause)
		}
		switch {
		case hand.Err() != nil || errors.Is(err, journal.ErrClosed):
			return
		case stop.Err() != nil:
			if err := s.handOn(hand); err != nil && hand.Err() == nil && !errors.Is(err, journal.ErrClosed) {
				s.logger.Error("what has been sampled may be forwarded twice", "error", err)
			}
			return
		case err != nil:
			s.complain("the journal cannot be sampled; trying again", err)
			if !sleep(stop, retryAfter) {
				return
			}
		}
	}
}

// read takes in what has come, or lets time pass where nothing comes.
func (s *Sampler) read(stop context.Context) error {
	ctx, cancel := context.WithTimeout(stop, handEvery)
	defer cancel()
	records, err := s.reader.Next(ctx, batchBytes)
	switch {
	case stop.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		s.pause = 0
		s.engine.advance(time.Now())
		return nil
	case err != nil:
		return err
	}
	s.engine.head = s.fresh.Load()
	size := 0
	for i := range records {
		size += len(records[i].Payload)
		if s.engine.take(&records[i]) != nil {
			s.meters.malformed.Inc()
		}
	}
	now := time.Now()
	s.pause = rest(size, now.Sub(s.readAt))
	if s.journals.In.Stats().End > s.engine.next {
		s.pause = 0 // There is more already.
	}
	s.readAt = now
	return nil
}

// rest is how long to leave the journal alone after all that there was, so many
// bytes that came in that time: about as long as half a batch takes to come.
func rest(bytes int, in time.Duration) time.Duration {
	return time.Duration(min(float64(in)*restBytes/float64(max(bytes, 1)), float64(maxRest)))
}

func (s *Sampler) due() bool {
	return len(s.pending.offsets) >= maxPending || time.Since(s.handedOn) >= handEvery
}

// complain logs a lasting trouble now and then.
func (s *Sampler) complain(message string, err error) {
	if now := time.Now(); now.Sub(s.complained) >= complainEvery {
		s.complained = now
		s.logger.Error(message, "error", err)
	}
}

// sleep returns false when stop ended first.
func sleep(stop context.Context, d time.Duration) bool {
	if d <= 0 {
		return stop.Err() == nil
	}
	select {
	case <-time.After(d):
		return true
	case <-stop.Done():
		return false
	}
}
