package export

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
)

// drainTime is how long a stopped forwarder waits for the answer to what it
// has sent, so that it need not send it again after a restart.
const drainTime = 2 * time.Second

// Exporters are the running forwarders.
type Exporters struct {
	stop, cut  context.CancelFunc
	forwarders []*forwarder
	running    sync.WaitGroup
}

// ReaderName is the name by which a signal's forwarder keeps its place in the
// journal.
func ReaderName(signal journal.Signal) string { return "export-" + signal.String() }

// Destination is where a signal goes.
func (c Config) Destination(signal journal.Signal) Destination {
	switch signal {
	case journal.Traces:
		return c.Traces
	case journal.Metrics:
		return c.Metrics
	case journal.Logs:
		return c.Logs
	}
	return Destination{}
}

// Enabled says whether anything is forwarded there.
func (d Destination) Enabled() bool { return d.Endpoint != "" }

// Start opens a reader of j for each signal that has an endpoint, and begins
// to forward. Metrics are registered at reg. Shutdown ends it.
func Start(cfg Config, j journal.Journal, reg prometheus.Registerer, logger *slog.Logger) (*Exporters, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return start(cfg, j, reg, logger, defaultPatience())
}

func start(cfg Config, j journal.Journal, reg prometheus.Registerer, logger *slog.Logger, p patience) (*Exporters, error) {
	m, err := newMeters(reg)
	if err != nil {
		return nil, fmt.Errorf("export metrics: %w", err)
	}
	stop, cancelStop := context.WithCancel(context.Background())
	send, cancelSend := context.WithCancel(context.Background())
	e := &Exporters{stop: cancelStop, cut: cancelSend}
	for signal := journal.Traces; signal <= journal.Logs; signal++ {
		d := cfg.Destination(signal)
		if !d.Enabled() {
			continue
		}
		reader, err := j.Reader(ReaderName(signal))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("export %v: %w", signal, err), e.Shutdown(context.Background()))
		}
		f := newForwarder(d, signal, m, logger)
		f.reader, f.patience = reader, p
		e.forwarders = append(e.forwarders, f)
		e.running.Go(func() { f.run(stop, send) })
	}
	return e, nil
}

// Shutdown ends forwarding and closes the readers. What has been sent may be
// answered for two seconds more, or until ctx ends; what was not answered is
// sent again after the next start.
func (e *Exporters) Shutdown(ctx context.Context) error {
	e.stop()
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	defer context.AfterFunc(ctx, e.cut)()
	e.running.Wait()
	e.cut()
	var errs []error
	for _, f := range e.forwarders {
		f.client.close()
		if err := f.reader.Close(); err != nil {
			errs = append(errs, fmt.Errorf("export %v: %w", f.signal, err))
		}
	}
	return errors.Join(errs...)
}
