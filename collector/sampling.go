package collector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/export"
	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/file"
	"github.com/waybill-dev/waybill/collector/receive/jaeger"
	"github.com/waybill-dev/waybill/collector/sample"
)

// decisionBytes is what a decision takes in its journal, about; twice as many
// as are remembered have room.
const decisionBytes = 64

// sampling stands between the journal and the forwarders of traces, where it is
// on. What it has chosen lies in a journal of its own until it is forwarded.
type sampling struct {
	sampler         *sample.Sampler
	kept, decisions *file.Journal
}

// startSampling opens the journals in the main one's directory, and begins to
// choose. What was opened is the caller's to stop, also after an error.
func startSampling(ctx context.Context, cfg Config, in journal.Journal, own prometheus.Registerer, logger *slog.Logger) (*sampling, error) {
	s := &sampling{}
	tail := cfg.Sample.Tail
	kept := file.Config{
		Dir: filepath.Join(cfg.Journal.Dir, "sampled"), Sync: cfg.Journal.Sync, SyncInterval: cfg.Journal.SyncInterval,
		MaxBytes: cmp.Or(tail.MaxBytes, cfg.Journal.MaxBytes),
	}
	decisions := file.Config{
		Dir: filepath.Join(cfg.Journal.Dir, "decisions"), Sync: cfg.Journal.Sync, SyncInterval: cfg.Journal.SyncInterval,
		MaxBytes: max(8<<20, 2*decisionBytes*int64(tail.RememberTraces)),
	}
	if kept.MaxBytes == cfg.Journal.MaxBytes {
		kept.SegmentBytes = cfg.Journal.SegmentBytes
	}
	var err error
	if s.kept, err = file.Open(kept, logger); err != nil {
		return s, err
	}
	if s.decisions, err = file.Open(decisions, logger); err != nil {
		return s, err
	}
	s.sampler, err = sample.Start(ctx, cfg.Sample, sample.Journals{In: in, Kept: s.kept, Decisions: s.decisions}, own, logger)
	return s, err
}

// stop ends choosing. What was chosen is still there to be forwarded.
func (s *sampling) stop(ctx context.Context) error {
	if s.sampler == nil {
		return nil
	}
	return s.sampler.Shutdown(ctx)
}

func (s *sampling) close() error {
	var errs []error
	for _, j := range []*file.Journal{s.kept, s.decisions} {
		if j != nil {
			errs = append(errs, j.Close())
		}
	}
	return errors.Join(errs...)
}

// forwarded is the journal as forwarders see it: those of traces read what was
// chosen, the others all that was received.
type forwarded struct {
	journal.Journal
	kept journal.Journal
}

// Reader implements journal.Journal.
func (f forwarded) Reader(name string) (journal.Reader, error) {
	if export.IsReaderOf(journal.Traces, name) {
		return f.kept.Reader(name)
	}
	return f.Journal.Reader(name)
}

// TrySampling replays the traces that the journal of a stopped collector holds,
// and reports what the configuration would have kept. It changes
// nothing: neither records nor the places of readers. Errors: the journal is
// not there, or is in use.
func TrySampling(ctx context.Context, cfg Config, logger *slog.Logger) (report sample.Report, err error) {
	if _, err := os.Stat(cfg.Journal.Dir); err != nil {
		return report, fmt.Errorf("journal: %w", err)
	}
	cfg.Journal.Retain, cfg.Journal.MaxAge, cfg.Journal.MaxBytes = true, 0, math.MaxInt64
	j, err := file.Open(cfg.Journal, logger)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	return sample.Try(ctx, cfg.Sample, j)
}

// strategies are what Jaeger's clients are told: one for all, and those of
// services.
func strategies(cfg Config) (others jaeger.Strategy, services map[string]jaeger.Strategy) {
	head := cfg.Sample.Head
	if head.At != sample.AtClients {
		return jaeger.Strategy{Probability: cfg.Receive.Jaeger.Sampling.Probability}, nil
	}
	others = jaeger.Strategy{Probability: head.Percent / 100}
	services = map[string]jaeger.Strategy{}
	for _, r := range head.Rates {
		s, ok := services[r.Service]
		if !ok {
			s = jaeger.Strategy{Probability: others.Probability, Operations: map[string]float64{}}
		}
		switch {
		case r.TracesPerSecond > 0:
			s.TracesPerSecond = r.TracesPerSecond
		case r.Operation == "":
			s.Probability = r.Percent / 100
		default:
			s.Operations[r.Operation] = r.Percent / 100
		}
		services[r.Service] = s
	}
	return others, services
}

// changeOver lets those begin that have no place in the journal yet when
// sampling has been switched on or off: where those stood that they relieve.
func changeOver(cfg Config, j *file.Journal) error {
	var traces []string
	for name := range j.Stats().Cursors {
		if export.IsReaderOf(journal.Traces, name) {
			traces = append(traces, name)
		}
	}
	if cfg.Sample.Enabled() {
		return relieve(j, traces, []string{sample.ReaderName})
	}
	return relieve(j, []string{sample.ReaderName}, cfg.Export.Readers(journal.Traces))
}

// relieve gives new readers the first place of the old.
func relieve(j *file.Journal, old, fresh []string) error {
	cursors := j.Stats().Cursors
	first, found := journal.Offset(0), false
	for _, name := range old {
		if cursor, ok := cursors[name]; ok && (!found || cursor < first) {
			first, found = cursor, true
		}
	}
	for _, name := range fresh {
		if _, known := cursors[name]; known || !found {
			continue
		}
		r, err := j.Reader(name)
		if err == nil {
			err = errors.Join(r.Commit(first), r.Close())
		}
		if err != nil {
			return fmt.Errorf("sampling was switched on or off: %w", err)
		}
	}
	return nil
}
