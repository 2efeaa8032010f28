package export

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
)

// drainTime is how long a stopped forwarder waits for the answer to what it
// has sent, so that it need not send it again after a restart.
const drainTime = 2 * time.Second

// Exporters are the running forwarders. Methods are safe for concurrent use.
type Exporters struct {
	journal  journal.Journal
	logger   *slog.Logger
	patience patience
	meters   *meters

	changing   sync.Mutex // held by Reload and Shutdown; taken before mu
	mu         sync.Mutex
	forwarders map[string]*forwarder // by reader; written under both
}

// Start opens a reader of j for each destination that has an endpoint, and
// begins to forward. Metrics are registered at reg. Shutdown ends it.
func Start(cfg Config, j journal.Journal, reg prometheus.Registerer, logger *slog.Logger) (*Exporters, error) {
	return start(cfg, j, reg, logger, defaultPatience())
}

func start(cfg Config, j journal.Journal, reg prometheus.Registerer, logger *slog.Logger, p patience) (*Exporters, error) {
	e := &Exporters{journal: j, logger: logger, patience: p, forwarders: map[string]*forwarder{}}
	var err error
	if e.meters, err = newMeters(reg, e.Status); err != nil {
		return nil, fmt.Errorf("export metrics: %w", err)
	}
	if err := e.Reload(cfg); err != nil {
		return nil, errors.Join(err, e.Shutdown(context.Background()))
	}
	return e, nil
}

// Reload makes cfg what is forwarded from now on. A destination that stays as
// it is goes on undisturbed; one that is changed goes on at its cursor; one
// that is gone leaves its cursor behind, for the caller to forget. When cfg
// cannot be had, because it is wrong or a file is missing, nothing changes; the
// cursors that were made before the journal failed to make another are left
// behind as well.
func (e *Exporters) Reload(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	e.changing.Lock()
	defer e.changing.Unlock()
	tasks := cfg.tasks()
	fresh, readers, err := e.prepare(tasks)
	if err != nil {
		return err
	}
	e.replace(tasks, fresh, readers)
	return nil
}

// replace puts what has been prepared in the place of what runs. Whatever goes
// wrong in stopping the old is logged: the new is there all the same.
func (e *Exporters) replace(tasks map[string]task, fresh map[string]*forwarder, readers map[string]journal.Reader) {
	gone := e.without(tasks)
	err := e.halt(context.Background(), func(name string) bool {
		_, stays := tasks[name]
		return !stays || fresh[name] != nil
	})
	if err != nil {
		e.logger.Error("a destination did not stop as it should", "error", err)
	}
	for _, t := range gone {
		e.meters.forget(t)
	}
	for name, f := range fresh {
		reader := readers[name]
		if reader == nil { // It was the predecessor's until now.
			if reader, err = e.journal.Reader(name); err != nil {
				f.client.close()
				e.logger.Error("a destination cannot be forwarded to", "reader", name, "error", err)
				continue
			}
		}
		f.begin(reader, func() (journal.Reader, error) { return e.journal.Reader(name) })
		e.mu.Lock()
		e.forwarders[name] = f
		e.mu.Unlock()
	}
}

// tasks are what there is to do, by reader.
func (c Config) tasks() map[string]task {
	tasks := map[string]task{}
	for signal := journal.Traces; signal <= journal.Logs; signal++ {
		for _, d := range c.of(signal) {
			if d.Enabled() {
				tasks[ReaderName(signal, d.Name)] = task{signal: signal, destination: d, letters: c.DeadLetters}
			}
		}
	}
	return tasks
}

// without are the tasks that are done now and no longer to be.
func (e *Exporters) without(tasks map[string]task) []task {
	var gone []task
	for name, f := range e.forwarders {
		if _, stays := tasks[name]; !stays {
			gone = append(gone, f.task)
		}
	}
	return gone
}

// prepare makes what may fail before anything is stopped: forwarders for the
// tasks that are new or changed, and readers for those that are new.
func (e *Exporters) prepare(tasks map[string]task) (fresh map[string]*forwarder, readers map[string]journal.Reader, err error) {
	fresh, readers = map[string]*forwarder{}, map[string]journal.Reader{}
	defer func() {
		if err == nil {
			return
		}
		for _, f := range fresh {
			f.client.close()
		}
		for _, r := range readers {
			err = errors.Join(err, r.Close())
		}
	}()
	for _, name := range slices.Sorted(maps.Keys(tasks)) {
		old := e.forwarders[name]
		if old != nil && reflect.DeepEqual(old.task, tasks[name]) {
			continue
		}
		f, err := newForwarder(tasks[name], e.patience, e.meters, e.logger)
		if err != nil {
			return fresh, readers, err
		}
		fresh[name] = f
	}
	// Readers come last: one that is opened for the first time has made a
	// cursor, which holds back the journal though nobody should come to use it.
	for _, name := range slices.Sorted(maps.Keys(fresh)) {
		if e.forwarders[name] != nil {
			continue
		}
		reader, err := e.journal.Reader(name)
		if err != nil {
			return fresh, readers, fmt.Errorf("export: %w", err)
		}
		readers[name] = reader
	}
	return fresh, readers, nil
}

// halt ends the forwarders of those readers, all at once.
func (e *Exporters) halt(ctx context.Context, which func(reader string) bool) error {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	leaving := e.take(which)
	errs := make([]error, len(leaving))
	var halting sync.WaitGroup
	for i, f := range leaving {
		halting.Go(func() { errs[i] = f.halt(ctx) })
	}
	halting.Wait()
	return errors.Join(errs...)
}

func (e *Exporters) take(which func(reader string) bool) []*forwarder {
	e.mu.Lock()
	defer e.mu.Unlock()
	var taken []*forwarder
	for name, f := range e.forwarders {
		if which(name) {
			delete(e.forwarders, name)
			taken = append(taken, f)
		}
	}
	return taken
}

// Status tells about each destination, by reader.
func (e *Exporters) Status() []Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]Status, 0, len(e.forwarders))
	for _, f := range e.forwarders {
		all = append(all, f.condition.get())
	}
	slices.SortFunc(all, func(a, b Status) int { return strings.Compare(a.Reader, b.Reader) })
	return all
}

// Shutdown ends forwarding and closes the readers. What has been sent may be
// answered for two seconds more, or until ctx ends; what was not answered is
// sent again after the next start.
func (e *Exporters) Shutdown(ctx context.Context) error {
	e.changing.Lock()
	defer e.changing.Unlock()
	return e.halt(ctx, func(string) bool { return true })
}
