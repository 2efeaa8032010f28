// Package collector takes telemetry in, keeps it safe, derives metrics from it
// and forwards it. Start builds the way of the data from its end, so that
// nothing is taken in before there is somebody to read it; Shutdown ends it
// from its beginning.
package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/waybill-dev/waybill/collector/admin"
	"github.com/waybill-dev/waybill/collector/derive"
	"github.com/waybill-dev/waybill/collector/export"
	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/file"
	"github.com/waybill-dev/waybill/collector/receive"
	"github.com/waybill-dev/waybill/collector/redact"
	"github.com/waybill-dev/waybill/collector/sample"
)

// Collector is a running collector. Its methods are safe for concurrent use.
type Collector struct {
	configured configured
	strategies receive.Strategies
	logger     *slog.Logger

	journal   *file.Journal
	sampling  *sampling // nil: off
	redact    *redact.Journal
	gate      *gate
	deriver   *derive.Deriver // nil: off
	exporters *export.Exporters
	receivers *receive.Receivers
	admin     *admin.Admin // nil: off
}

// Start opens the journal and starts everything around it. ctx bounds the
// start only; Shutdown ends what was started.
func Start(ctx context.Context, cfg Config, logger *slog.Logger) (*Collector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	c := &Collector{logger: logger}
	if err := c.start(ctx, cfg, logger); err != nil {
		return nil, errors.Join(err, c.Shutdown(context.WithoutCancel(ctx)))
	}
	return c, nil
}

func (c *Collector) start(ctx context.Context, cfg Config, logger *slog.Logger) (err error) {
	own := prometheus.NewRegistry()
	if c.journal, err = file.Open(cfg.Journal, logger); err != nil {
		return err
	}
	if err = errors.Join(register(own, c.journal.Collector()), c.configured.register(own)); err != nil {
		return err
	}
	c.configured.take(cfg, "")
	var forwards journal.Journal = c.journal
	if err = changeOver(cfg, c.journal); err != nil {
		return err
	}
	if cfg.Sample.Enabled() {
		if c.sampling, err = startSampling(ctx, cfg, c.journal, own, logger); err != nil {
			return fmt.Errorf("sample: %w", err)
		}
		forwards = forwarded{Journal: c.journal, kept: c.sampling.kept}
	}
	if err = c.forgetUnused(cfg, logger); err != nil {
		return err
	}
	if c.exporters, err = export.Start(cfg.forwarding(), forwards, own, logger); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if cfg.Derive.Enabled() {
		if c.deriver, err = derive.Start(ctx, cfg.Derive, c.journal, own, logger); err != nil {
			return err
		}
	}
	if c.redact, err = redact.Before(c.journal, cfg.Redact, own); err != nil {
		return fmt.Errorf("redact: %w", err)
	}
	c.gate = &gate{Journal: c.redact, logger: logger}
	c.strategies.Set(strategies(cfg))
	cfg.Receive.Jaeger.Sampling.Strategies = &c.strategies
	if c.receivers, err = receive.Start(ctx, cfg.Receive, c.gate, own, logger); err != nil {
		return err
	}
	if cfg.Admin.Enabled() {
		if c.admin, err = admin.Start(ctx, cfg.Admin, c.sources(own), logger); err != nil {
			return err
		}
	}
	c.warnOfOpenListeners()
	return nil
}

// register adds the journal's metrics, the Go runtime's and the process's.
func register(own *prometheus.Registry, journal prometheus.Collector) error {
	return errors.Join(
		own.Register(journal),
		own.Register(collectors.NewGoCollector()),
		own.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})),
		own.Register(collectors.NewBuildInfoCollector()))
}

// forgetUnused gives up the cursors of stages that the configuration no longer
// has. They would hold back everything after them until the journal is full.
func (c *Collector) forgetUnused(cfg Config, logger *slog.Logger) error {
	enabled := map[string]bool{derive.ReaderName: cfg.Derive.Enabled(), sample.ReaderName: c.sampling != nil}
	for signal := journal.Traces; signal <= journal.Logs; signal++ {
		for _, name := range cfg.Export.Readers(signal) {
			enabled[name] = true
		}
	}
	if c.sampling == nil {
		return forget(c.journal, enabled, logger)
	}
	if err := forget(c.sampling.kept, enabled, logger); err != nil {
		return err
	}
	for name := range enabled {
		enabled[name] = enabled[name] && !export.IsReaderOf(journal.Traces, name)
	}
	return forget(c.journal, enabled, logger)
}

// forget gives up the cursors of a journal's readers that are not enabled.
func forget(j *file.Journal, enabled map[string]bool, logger *slog.Logger) error {
	stats := j.Stats()
	for name, cursor := range stats.Cursors {
		if on, known := enabled[name]; on || !known && !export.IsReader(name) {
			continue
		}
		if err := j.Forget(name); err != nil {
			return err
		}
		logger.Warn("gave up the place of a reader that is no longer configured", "reader", name, "unread_bytes", uint64(stats.End-cursor))
	}
	return nil
}

func (c *Collector) sources(own prometheus.Gatherer) admin.Sources {
	s := admin.Sources{
		Journal:      c.journal,
		Metrics:      own,
		Destinations: c.destinations,
		Redacting:    c.redact.Active,
		LastRefusal:  c.gate.lastRefusal,
		LastReload:   c.configured.lastRefusal,
		Listeners:    c.dataListeners,
	}
	if c.sampling != nil {
		s.Chosen = c.sampling.kept
	}
	return s
}

// destinations are how forwarding is doing.
func (c *Collector) destinations() []admin.Destination {
	var all []admin.Destination
	for _, s := range c.exporters.Status() {
		all = append(all, admin.Destination{
			Signal: s.Signal.String(), Name: s.Destination, Reader: s.Reader,
			Oldest: s.Oldest, FailingSince: s.FailingSince, LastError: s.LastError, LastErrorAt: s.LastErrorAt,
		})
	}
	return all
}

// Journal is what the collector keeps. It is closed by Shutdown.
func (c *Collector) Journal() journal.Journal { return c.journal }

// OTLPGRPC is where OTLP over gRPC is received; nil when that is off.
func (c *Collector) OTLPGRPC() net.Addr { return c.receivers.GRPCAddr() }

// OTLPHTTP is where OTLP over HTTP is received; nil when that is off.
func (c *Collector) OTLPHTTP() net.Addr { return c.receivers.HTTPAddr() }

// Scrape is where derived metrics are served at /metrics; nil when that is off.
func (c *Collector) Scrape() net.Addr {
	if c.deriver == nil {
		return nil
	}
	return c.deriver.Addr()
}

// Admin is where health, own metrics and the status page are; nil when that
// is off.
func (c *Collector) Admin() net.Addr {
	if c.admin == nil {
		return nil
	}
	return c.admin.Addr()
}

// Shutdown makes the collector not ready, stops the receivers, gives the readers
// the configured time to come up to date, and stops them and the journal. When
// ctx ends first it is done less gently, but it is done: nothing of the
// collector runs when it has returned, and no acknowledged record is lost: what
// a reader has not finished waits in the journal. It is called once.
func (c *Collector) Shutdown(ctx context.Context) error {
	c.configured.changing.Lock()
	defer c.configured.changing.Unlock()
	c.configured.stopped = true
	var errs []error
	if c.admin != nil {
		c.admin.Stopping()
	}
	if c.receivers != nil {
		errs = append(errs, c.receivers.Shutdown(ctx))
	}
	if c.sampling != nil { // Before forwarders, which are to have what was decided.
		errs = append(errs, c.sampling.stop(ctx))
	}
	if c.receivers != nil {
		c.drain(ctx)
	}
	if c.exporters != nil {
		errs = append(errs, c.exporters.Shutdown(ctx))
	}
	if c.deriver != nil {
		errs = append(errs, c.deriver.Shutdown(ctx))
	}
	if c.admin != nil {
		c.admin.Shutdown(ctx)
	}
	if c.sampling != nil {
		errs = append(errs, c.sampling.close())
	}
	if c.journal != nil {
		errs = append(errs, c.journal.Close())
	}
	return errors.Join(errs...)
}
