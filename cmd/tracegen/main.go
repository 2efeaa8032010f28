// Command tracegen sends the traces of an order shop to a collector, at a rate
// or as fast as it acknowledges them, and accounts for each of them.
//
// It exits with 0 when all was acknowledged, with 1 when something was not,
// and with 2 when it could not begin.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/waybill-dev/waybill/tracegen"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is the whole command; the table goes to out, progress to errs.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	cfg, quiet, err := parse(args, errs)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(errs, "tracegen:", err)
		return 2
	}
	progress := func(r tracegen.Report) { fmt.Fprintln(errs, r.Line()) }
	if quiet {
		progress = nil
	}
	report, err := tracegen.Run(ctx, cfg, progress)
	if err != nil {
		fmt.Fprintln(errs, "tracegen:", err)
		return 2
	}
	if err := report.WriteTable(out); err != nil {
		fmt.Fprintln(errs, "tracegen: write report:", err)
		return 2
	}
	if !report.Complete() {
		return 1
	}
	return 0
}

func parse(args []string, errs io.Writer) (tracegen.Config, bool, error) {
	cfg := tracegen.DefaultConfig()
	flags := flag.NewFlagSet("tracegen", flag.ContinueOnError)
	flags.SetOutput(errs)
	endpoint := flags.String("endpoint", "", "where to send: a URL for http (default http://127.0.0.1:4318), host:port for grpc (default 127.0.0.1:4317)")
	protocol := flags.String("protocol", string(cfg.Protocol), "http or grpc")
	flags.Float64Var(&cfg.Rate, "rate", cfg.Rate, "traces a second; 0 is as fast as they are acknowledged")
	flags.Uint64Var(&cfg.Traces, "traces", cfg.Traces, "end after so many traces; 0 is no limit")
	flags.DurationVar(&cfg.Duration, "duration", cfg.Duration, "end after so long; 0 is no limit")
	flags.IntVar(&cfg.Workers, "workers", cfg.Workers, "requests under way at once")
	flags.IntVar(&cfg.Batch, "batch", cfg.Batch, "traces in one request, at most")
	flags.DurationVar(&cfg.Timeout, "timeout", cfg.Timeout, "how long one request may take, with all its repetitions")
	flags.Uint64Var(&cfg.Seed, "seed", cfg.Seed, "the same seed makes the same traces, but for their times")
	quiet := flags.Bool("quiet", false, "print no progress")
	if err := flags.Parse(args); err != nil {
		return cfg, false, err
	}
	if flags.NArg() > 0 {
		return cfg, false, fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if given["traces"] && !given["duration"] {
		cfg.Duration = 0 // who counts traces does not mean ten seconds
	}
	cfg.Protocol = tracegen.Protocol(*protocol)
	cfg.Endpoint = *endpoint
	if cfg.Endpoint == "" {
		cfg.Endpoint = map[tracegen.Protocol]string{tracegen.GRPC: "127.0.0.1:4317"}[cfg.Protocol]
	}
	if cfg.Endpoint == "" {
		cfg.Endpoint = tracegen.DefaultConfig().Endpoint
	}
	return cfg, *quiet, cfg.Validate()
}
