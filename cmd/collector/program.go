package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/waybill-dev/waybill/collector"
	"github.com/waybill-dev/waybill/internal/command"
)

// stopTime bounds a graceful stop, beside the time that readers get to come up
// to date. What is not done by then is cut off; the journal loses nothing by it.
const stopTime = 10 * time.Second

// program is the whole command, so that tests run it in their process.
type program struct {
	stdout, stderr io.Writer
	getenv         func(string) (string, bool)
	// started is told when everything runs.
	started func(*collector.Collector)
	// lookEvery is how often the configuration file is looked at.
	lookEvery time.Duration

	configFile string
	journalDir string
	command    string // "": run; "validate", "sample", "version"
	logging    command.Logging
}

func newProgram(stdout, stderr io.Writer, getenv func(string) (string, bool)) *program {
	return &program{stdout: stdout, stderr: stderr, getenv: getenv, started: func(*collector.Collector) {}, lookEvery: command.LookEvery}
}

// ParseFlags reads the command line. Flags may stand before the subcommand and
// after it.
func (p *program) ParseFlags(args []string) error {
	flags := flag.NewFlagSet("collector", flag.ContinueOnError)
	flags.SetOutput(p.stderr)
	flags.Usage = func() {
		fmt.Fprintln(p.stderr, "usage: collector [validate | sample | version] [flags]")
		flags.PrintDefaults()
	}
	flags.StringVar(&p.configFile, "config", "", "YAML file; without it everything is at its default")
	flags.StringVar(&p.journalDir, "journal", "", "for sample: `directory` of the journal, in place of journal.dir")
	p.logging.AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if name := flags.Arg(0); name == "validate" || name == "sample" || name == "version" {
		p.command = name
		if err := flags.Parse(flags.Args()[1:]); err != nil {
			return err
		}
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("%q is no flag, and no command: those are validate, sample and version", flags.Arg(0))
	case p.journalDir != "" && p.command != "sample":
		return errors.New("--journal is for the command sample; otherwise journal.dir of the configuration counts")
	}
	return nil
}

// Run does what the command line says. A collector works until ctx ends, and then stops gracefully.
func (p *program) Run(ctx context.Context) error {
	if p.command == "version" {
		return command.WriteVersion(p.stdout)
	}
	follow := command.Follow(p.configFile, p.lookEvery)
	defer follow.Stop()
	cfg, err := p.load()
	if err != nil {
		return fmt.Errorf("%w:\n%w", command.ErrConfiguration, err)
	}
	if p.command == "validate" {
		return p.validated(cfg)
	}
	logger := p.logging.Logger(p.stderr, cfg.Admin.LogLevel)
	if p.command == "sample" {
		return p.sample(ctx, cfg, logger)
	}
	c, err := collector.Start(ctx, cfg, logger)
	if err != nil {
		return err
	}
	logger.Info("collector is running", append([]any{"journal", cfg.Journal.Dir}, listeners(c)...)...)
	p.started(c)
	for follow.Next(ctx) {
		command.Reload(c, p.load, func(cfg collector.Config) { p.logging.Configure(cfg.Admin.LogLevel) }, logger)
	}
	logger.Info("collector is stopping")
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime+2*cfg.Admin.Drain)
	defer cancel()
	if err := c.Shutdown(stopping); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	logger.Info("collector has stopped")
	return nil
}

// validated says that the configuration is valid, and warns of files that are of
// no use on this machine, which may be another than the collector's.
func (p *program) validated(cfg collector.Config) error {
	if err := cfg.CheckFiles(); err != nil {
		if _, err := fmt.Fprintf(p.stderr, "a collector on this machine would not take it for its files:\n%v\n", err); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(p.stdout, "configuration is valid")
	return err
}

// sample replays the journal and prints what would be forwarded of it.
func (p *program) sample(ctx context.Context, cfg collector.Config, logger *slog.Logger) error {
	if p.journalDir != "" {
		cfg.Journal.Dir = p.journalDir
	}
	if !cfg.Sample.Enabled() {
		return fmt.Errorf("%w: neither sample.head leaves anything out nor has sample.tail any policies, so every trace is forwarded", command.ErrConfiguration)
	}
	report, err := collector.TrySampling(ctx, cfg, logger)
	if err != nil {
		return err
	}
	return report.WriteTable(p.stdout)
}

// load reads the configuration as it is now.
func (p *program) load() (collector.Config, error) {
	return collector.Load(p.configFile, p.getenv, nil)
}

// listeners are those that are on, by their keys in the configuration.
func listeners(c *collector.Collector) (attributes []any) {
	for _, l := range c.Listeners() {
		if l.Addr == nil {
			continue
		}
		text := l.Addr.String()
		if l.Security != "" {
			text += " (" + l.Security + ")"
		}
		attributes = append(attributes, l.Key, text)
	}
	return attributes
}
