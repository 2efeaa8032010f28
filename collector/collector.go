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

	"github.com/waybill-dev/waybill/collector/export"
	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/file"
	"github.com/waybill-dev/waybill/collector/receive"
)

// Collector is a running collector. Its methods are safe for concurrent use.
type Collector struct {
	journal   *file.Journal
	exporters *export.Exporters
	receivers *receive.Receivers
}

// Start opens the journal and starts everything around it. ctx bounds the
// start only; Shutdown ends what was started.
func Start(ctx context.Context, cfg Config, logger *slog.Logger) (*Collector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	c := &Collector{}
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
	if err = own.Register(c.journal.Collector()); err != nil {
		return fmt.Errorf("journal metrics: %w", err)
	}
	if c.exporters, err = export.Start(cfg.Export, c.journal, own, logger); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	c.receivers, err = receive.Start(ctx, cfg.Receive, c.journal, own, logger)
	return err
}

// Journal is what the collector keeps. It is closed by Shutdown.
func (c *Collector) Journal() journal.Journal { return c.journal }

// OTLPGRPC is where OTLP over gRPC is received; nil when that is off.
func (c *Collector) OTLPGRPC() net.Addr { return c.receivers.GRPCAddr() }

// OTLPHTTP is where OTLP over HTTP is received; nil when that is off.
func (c *Collector) OTLPHTTP() net.Addr { return c.receivers.HTTPAddr() }

// Scrape is where derived metrics are served at /metrics; nil when that is off.
func (c *Collector) Scrape() net.Addr { return nil }

// Admin is where health, own metrics and the status page are; nil when that
// is off.
func (c *Collector) Admin() net.Addr { return nil }

// Shutdown stops the receivers, the readers and the journal, in this order.
// When ctx ends first it is done less gently, but it is done: nothing of the
// collector runs when it has returned, and no acknowledged record is lost.
func (c *Collector) Shutdown(ctx context.Context) error {
	var errs []error
	if c.receivers != nil {
		errs = append(errs, c.receivers.Shutdown(ctx))
	}
	if c.exporters != nil {
		errs = append(errs, c.exporters.Shutdown(ctx))
	}
	if c.journal != nil {
		errs = append(errs, c.journal.Close())
	}
	return errors.Join(errs...)
}
