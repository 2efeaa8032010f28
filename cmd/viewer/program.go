package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/waybill-dev/waybill/collector"
	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/internal/command"
	"github.com/waybill-dev/waybill/viewer"
)

// stopTime bounds a graceful stop. What is not done by then is cut off; the
// journal loses nothing by it.
const stopTime = 10 * time.Second

// program is the whole command, so that tests run it in their process.
type program struct {
	stdout, stderr io.Writer
	getenv         func(string) (string, bool)
	// started is told when everything runs.
	started func(*collector.Collector, *viewer.Viewer)

	// lookEvery is how often the configuration file is looked at.
	lookEvery time.Duration

	configFile, journalDir, address string
	version                         bool
	logging                         command.Logging
}

func newProgram(stdout, stderr io.Writer, getenv func(string) (string, bool)) *program {
	return &program{
		stdout: stdout, stderr: stderr, getenv: getenv,
		started: func(*collector.Collector, *viewer.Viewer) {}, lookEvery: command.LookEvery,
	}
}

// ParseFlags reads the command line.
func (p *program) ParseFlags(args []string) error {
	flags := flag.NewFlagSet("viewer", flag.ContinueOnError)
	flags.SetOutput(p.stderr)
	flags.StringVar(&p.configFile, "config", "", "YAML `file` with the collector's keys and viewer; without it everything is at its default")
	flags.StringVar(&p.journalDir, "journal", "", "`directory` of the journal, in place of journal.dir (data/journal)")
	flags.StringVar(&p.address, "address", "", "`host:port` of the pages, in place of viewer.address (127.0.0.1:16686)")
	p.logging.AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if p.version = flags.Arg(0) == "version"; p.version {
		if err := flags.Parse(flags.Args()[1:]); err != nil {
			return err
		}
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is no flag, and no command: there is version", flags.Arg(0))
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
	if err := view.Validate(); err != nil {
		return cfg, view, fmt.Errorf("viewer.%w", err)
	}
	return cfg, view, nil
}

// loadAgain is load for a viewer that runs. Of its own part the listener's rule
// may change; running is what it goes by.
func (p *program) loadAgain(v command.Guarded, running *viewer.Config) (collector.Config, command.Beside, error) {
	cfg, view, err := p.load()
	if err != nil {
		return cfg, command.Beside{}, err
	}
	beside, err := command.BesideOf("viewer", *running, view, view.Security, v, func(now viewer.Config) { *running = now })
	return cfg, beside, err
}

// Run starts the collector and the viewer of its journal, prints where they
// are, works until ctx ends, and then stops gracefully: the viewer first,
// because the journal is the collector's.
func (p *program) Run(ctx context.Context) (err error) {
	if p.version {
		return command.WriteVersion(p.stdout)
	}
	follow := command.FollowFile(p.configFile, p.lookEvery)
	defer follow.Stop()
	cfg, view, err := p.load()
	if err != nil {
		return fmt.Errorf("%w:\n%w", command.ErrConfiguration, err)
	}
	logger := p.logging.Logger(p.stderr, cfg.Admin.LogLevel)
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
	p.announce("viewer", scheme(view.Security), v.Addr(), "")
	p.announce("otlp-http", scheme(cfg.Receive.OTLP.HTTP.Security), c.OTLPHTTP(), "")
	p.announce("otlp-grpc", "", c.OTLPGRPC(), "")
	p.announce("metrics", "http://", c.Scrape(), "/metrics")
	p.announce("collector", scheme(cfg.Admin.Security), c.Admin(), "")
	p.started(c, v)
	take := func(cfg collector.Config) { p.logging.Configure(cfg.Admin.LogLevel) }
	for follow.Next(ctx) {
		command.ReloadAll(c, func() (collector.Config, command.Beside, error) { return p.loadAgain(v, &view) }, take, logger)
	}
	return nil
}

// stop shuts a part down and adds its error to those that there are.
func stop(err *error, shutdown func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	*err = errors.Join(*err, shutdown(ctx))
}

func scheme(s listen.Security) string {
	if s.TLS.Enabled() {
		return "https://"
	}
	return "http://"
}

// announce prints one address, unless that listener is off.
func (p *program) announce(name, scheme string, addr net.Addr, path string) {
	if addr != nil {
		fmt.Fprintf(p.stdout, "%-10s %s%s%s\n", name, scheme, addr, path)
	}
}
