package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/waybill-dev/waybill/collector"
	"github.com/waybill-dev/waybill/demo-services/fault"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/shopper"
	shared "github.com/waybill-dev/waybill/internal/command"
	"github.com/waybill-dev/waybill/viewer"
)

// What the demo keeps, unless its configuration file says otherwise, in bytes:
// telemetry on disk, of that what the viewer knows in memory, and logs.
const (
	journalBytes = 256 << 20
	indexBytes   = 64 << 20
	logBytes     = 16 << 20
)

// stopTime is how long the demo may take to stop.
const stopTime = 4500 * time.Millisecond

// whole is the demo with everything in it.
type whole struct {
	command
	rate                  float64
	day                   time.Duration
	browse                bool
	data, config, gateway string
	length                time.Duration
	tuning                tuning
	inMesh                bool
	canary                uint

	faults  *fault.Flags
	logs    *logFile
	logger  *slog.Logger
	stops   []stop
	lines   []addressLine
	gateURL string
	mesh    *meshed

	collector *collector.Collector
	viewer    *viewer.Viewer
	view      viewer.Config    // that it goes by
	follow    *shared.Follower // of the configuration file
}

// stop ends one thing that was started.
type stop struct {
	name string
	stop func(context.Context) error
}

// runWhole starts everything, lets it run until the context ends, and stops it
// in the opposite order: customers, services, bus, viewer, collector.
func (c command) runWhole(ctx context.Context, args []string) (err error) {
	w := &whole{command: c}
	if err := w.parseFlags(args); err != nil {
		return err
	}
	if w.length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.length)
		defer cancel()
	}
	defer func() {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		err = errors.Join(err, w.stopAll(stopping))
	}()
	if err := w.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // It was stopped before it had started.
		}
		return err
	}
	w.announce()
	for w.follow.Next(ctx) {
		w.reload()
	}
	return nil
}

func (w *whole) parseFlags(args []string) error {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.Float64Var(&w.rate, "rate", shopper.DefaultConfig().Rate, "orders a second, on average over a day; 0 has nobody come")
	flags.DurationVar(&w.day, "day", defaultDay, dayUsage)
	flags.BoolVar(&w.browse, "browse", true, browseUsage)
	flags.StringVar(&w.data, "data", "", "the `directory` to keep everything in (default a temporary one)")
	flags.StringVar(&w.config, "config", "", "the collector's configuration `file`, which may have a viewer's part")
	flags.StringVar(&w.gateway, "gateway", "127.0.0.1:8080", "where the gateway listens")
	flags.DurationVar(&w.length, "for", 0, "how long to run; 0 is until Ctrl-C")
	tuned, err := w.tuned()
	if err != nil {
		return usageError{err}
	}
	w.tuning = tuned
	flags.BoolVar(&w.tuning.signIn, "sign-in", w.tuning.signIn, "orders are for those only who have signed in, and the customers do")
	flags.BoolVar(&w.inMesh, "mesh", false, "the services find and trust one another by a mesh")
	flags.UintVar(&w.canary, "canary", 10, "how many of 100 payments go to payment's second version, in the mesh")
	if err := w.parse(flags, args); err != nil {
		return err
	}
	if w.canary > 100 {
		return usageError{fmt.Errorf("--canary %d: want 0 to 100", w.canary)}
	}
	if err := checkDay(w.day); err != nil {
		return usageError{err}
	}
	if w.rate < 0 {
		return usageError{fmt.Errorf("--rate %v: want orders a second, or 0 to have nobody come", w.rate)}
	}
	if err := checkListen("--gateway", w.gateway); err != nil {
		return usageError{err}
	}
	if w.rate != 0 {
		if err := w.customers().Validate(); err != nil {
			return usageError{err}
		}
	}
	if w.length < 0 {
		return usageError{fmt.Errorf("--for %v is negative", w.length)}
	}
	return nil
}

// start reads in the order in which things need each other.
func (w *whole) start(ctx context.Context) error {
	if err := w.openData(); err != nil {
		return err
	}
	endpoint, err := w.startCollector(ctx)
	if err != nil {
		return err
	}
	broker, err := platform.StartBroker(filepath.Join(w.data, "nats"))
	if err != nil {
		return err
	}
	w.started("bus", func(context.Context) error { broker.Close(); return nil })
	w.place("nats", broker.URL())
	if err := w.startMesh(ctx, endpoint, broker.URL()); err != nil {
		return err
	}
	if err := w.startServices(ctx, endpoint, addresses{nats: broker.URL(), tuning: w.tuning}); err != nil {
		return err
	}
	if w.rate > 0 {
		return w.startShopper(ctx, endpoint)
	}
	return nil
}

// started notes how to stop what was started.
func (w *whole) started(name string, how func(context.Context) error) {
	w.stops = append(w.stops, stop{name, how})
}

// stopAll stops what was started, the last first. The context bounds how long
// each may take to end well; all end in any case.
func (w *whole) stopAll(ctx context.Context) error {
	var errs []error
	for len(w.stops) > 0 {
		last := w.stops[len(w.stops)-1]
		w.stops = w.stops[:len(w.stops)-1]
		if err := last.stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", last.name, err))
		}
	}
	return errors.Join(errs...)
}

// openData makes the data directory and the log in it.
func (w *whole) openData() error {
	if w.data == "" {
		dir, err := os.MkdirTemp("", "waybill-demo-")
		if err != nil {
			return fmt.Errorf("create data directory: %w", err)
		}
		w.data = dir
		w.started("temporary data", func(context.Context) error { return os.RemoveAll(dir) })
	}
	for _, dir := range []string{"nats", "shop"} {
		if err := os.MkdirAll(filepath.Join(w.data, dir), 0o750); err != nil {
			return fmt.Errorf("create data directory: %w", err)
		}
	}
	logs, err := openLog(filepath.Join(w.data, "demo.log"), logBytes)
	if err != nil {
		return err
	}
	w.logs = logs
	w.started("log", func(context.Context) error { return logs.Close() })
	// Everything goes to the file; the terminal shows what one should act on.
	w.logger = slog.New(slog.NewMultiHandler(
		slog.NewJSONHandler(logs, nil),
		slog.NewTextHandler(w.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}),
	))
	w.faults, err = fault.Open(filepath.Join(w.data, "faults.json"), w.logger)
	return err
}
