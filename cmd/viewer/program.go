package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/waybill-dev/waybill/collector"
	"github.com/waybill-dev/waybill/viewer"
)

// stopTime bounds a graceful stop. What is not done by then is cut off; the
// journal loses nothing by it.
const stopTime = 10 * time.Second

// errConfiguration marks what a person has to correct in the configuration.
var errConfiguration = errors.New("configuration is not valid")

// program is the whole command, so that tests run it in their process.
type program struct {
	stdout, stderr io.Writer
	getenv         func(string) (string, bool)
	// started is told when everything runs.
	started func(*collector.Collector, *viewer.Viewer)

	configFile, journalDir, address string
}

func newProgram(stdout, stderr io.Writer, getenv func(string) (string, bool)) *program {
	return &program{
		stdout: stdout, stderr: stderr, getenv: getenv,
		started: func(*collector.Collector, *viewer.Viewer) {},
	}
}

// ParseFlags reads the command line.
func (p *program) ParseFlags(args []string) error {
	flags := flag.NewFlagSet("viewer", flag.ContinueOnError)
	flags.SetOutput(p.stderr)
	flags.StringVar(&p.configFile, "config", "", "YAML `file` with the collector's keys and viewer; without it everything is at its default")
	flags.StringVar(&p.journalDir, "journal", "", "`directory` of the journal, in place of journal.dir (data/journal)")
	flags.StringVar(&p.address, "address", "", "`host:port` of the pages, in place of viewer.address (127.0.0.1:16686)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	return nil
}

// load puts file and flags together. The journal always retains: what has been
// forwarded is still to be looked at, for as long as the budget allows.
func (p *program) load() (collector.Config, viewer.Config, error) {
	view := viewer.DefaultConfig()
	cfg, err := collector.Load(p.configFile, p.getenv, map[string]any{"viewer": &view})
	if err != nil {
		return cfg, view, err
	}
	cfg.Journal.Retain = true
	if p.journalDir != "" {
		cfg.Journal.Dir = p.journalDir
	}
	if p.address != "" {
		view.Address = p.address
	}
	return cfg, view, view.Validate()
}

// Run starts the collector and the viewer of its journal, prints where they
// are, works until ctx ends, and then stops gracefully: the viewer first,
// because the journal is the collector's.
func (p *program) Run(ctx context.Context) (err error) {
	cfg, view, err := p.load()
	if err != nil {
		return fmt.Errorf("%w:\n%w", errConfiguration, err)
	}
	logger := slog.New(slog.NewTextHandler(p.stderr, nil))
	c, err := collector.Start(ctx, cfg, logger)
	if err != nil {
		return err
	}
	defer stop(&err, c.Shutdown)
	v, err := viewer.Start(context.WithoutCancel(ctx), view, c.Journal(), logger)
	if err != nil {
		return err
	}
	defer stop(&err, v.Shutdown)
	p.announce("viewer", "http://", v.Addr(), "")
	p.announce("otlp-http", "http://", c.OTLPHTTP(), "")
	p.announce("otlp-grpc", "", c.OTLPGRPC(), "")
	p.announce("metrics", "http://", c.Scrape(), "/metrics")
	p.announce("collector", "http://", c.Admin(), "")
	p.started(c, v)
	<-ctx.Done()
	return nil
}

// stop shuts a part down and adds its error to those that there are.
func stop(err *error, shutdown func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	*err = errors.Join(*err, shutdown(ctx))
}

// announce prints one address, unless that listener is off.
func (p *program) announce(name, scheme string, addr net.Addr, path string) {
	if addr != nil {
		fmt.Fprintf(p.stdout, "%-10s %s%s%s\n", name, scheme, addr, path)
	}
}
