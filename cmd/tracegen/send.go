package main

import (
	"context"
	"fmt"
	"io"

	"github.com/waybill-dev/waybill/tracegen"
	"github.com/waybill-dev/waybill/tracegen/topology"
)

// sending is what the flags of run say.
type sending struct {
	cfg   tracegen.Config
	quiet bool
}

// send is the command run.
func send(ctx context.Context, args []string, out, errs io.Writer) error {
	s, err := parseSending(args, errs)
	if err != nil {
		return err
	}
	progress := func(r tracegen.Report) { fmt.Fprintln(errs, r.Line()) }
	if s.quiet {
		progress = nil
	}
	report, err := tracegen.Run(ctx, s.cfg, progress)
	if err != nil {
		return err
	}
	if err := report.WriteTable(out); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if !report.Complete() {
		return errBad
	}
	return nil
}

func parseSending(args []string, errs io.Writer) (sending, error) {
	s := sending{cfg: tracegen.DefaultConfig()}
	cfg := &s.cfg
	flags := newFlags("run", errs)
	flags.StringVar(&cfg.Endpoint, "endpoint", "", "where to send: a URL for http (default http://127.0.0.1:4318), host:port for grpc (default 127.0.0.1:4317)")
	protocol := flags.String("protocol", string(cfg.Protocol), "http or grpc")
	named := flags.String("topology", "shop", "what the traces are of: one that is built in, or a YAML file")
	flags.Float64Var(&cfg.Rate, "rate", cfg.Rate, "traces a second, or what --unit says; 0 is as fast as they are acknowledged")
	unit := flags.String("unit", string(cfg.Unit), "what --rate counts: traces, spans or bytes")
	flags.StringVar(&cfg.Pace, "pace", "", "how the rate changes: ramp:to=RATE,over=30s  steps:add=RATE,every=10s[,to=RATE]  sine:amplitude=RATE,period=60s  burst:factor=10,for=2s,every=30s")
	flags.BoolVar(&cfg.Poisson, "poisson", false, "traces come at random distances, as independent users do")
	flags.IntVar(&cfg.InFlight, "in-flight", 0, "no rate: so many requests are under way all the time")
	flags.Uint64Var(&cfg.Traces, "traces", cfg.Traces, "end after so many traces; 0 is no limit")
	flags.DurationVar(&cfg.Duration, "duration", cfg.Duration, "end after so long; 0 is no limit")
	flags.IntVar(&cfg.Workers, "workers", cfg.Workers, "requests under way at once")
	flags.IntVar(&cfg.Batch, "batch", cfg.Batch, "traces in one request, at most")
	flags.DurationVar(&cfg.Timeout, "timeout", cfg.Timeout, "how long one request may take, with all its repetitions")
	flags.Uint64Var(&cfg.Seed, "seed", cfg.Seed, "the same seed makes the same traces, but for their times")
	flags.BoolVar(&s.quiet, "quiet", false, "print no progress")
	if err := parseFlags(flags, args); err != nil {
		return s, err
	}
	given := givenFlags(flags)
	if given["traces"] && !given["duration"] {
		cfg.Duration = 0 // who counts traces does not mean ten seconds
	}
	if given["in-flight"] && !given["rate"] {
		cfg.Rate = 0
	}
	cfg.Protocol, cfg.Unit = tracegen.Protocol(*protocol), tracegen.Unit(*unit)
	if cfg.Endpoint == "" {
		cfg.Endpoint = map[tracegen.Protocol]string{tracegen.GRPC: "127.0.0.1:4317"}[cfg.Protocol]
	}
	if cfg.Endpoint == "" {
		cfg.Endpoint = tracegen.DefaultConfig().Endpoint
	}
	var err error
	if cfg.Topology, err = topology.Load(*named); err != nil {
		return s, err
	}
	return s, cfg.Validate()
}
