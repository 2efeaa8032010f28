package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/waybill-dev/waybill/tracegen"
	"github.com/waybill-dev/waybill/tracegen/topology"
	"github.com/waybill-dev/waybill/tracegen/verify"
)

// sending is what the flags of run say.
type sending struct {
	cfg        tracegen.Config
	quiet      bool
	report     string
	metrics    string
	thresholds []tracegen.Threshold
	verify     verify.Config // an empty URL asks nobody
}

// send is the command run.
func send(ctx context.Context, args []string, out, errs io.Writer) error {
	s, err := parseSending(args, errs)
	if err != nil {
		return err
	}
	if s.metrics != "" {
		server, err := serveMetrics(ctx, s.metrics)
		if err != nil {
			return err
		}
		defer server.close()
		s.cfg.Registerer = server.registry
		fmt.Fprintf(errs, "metrics  http://%s/metrics\n", server.listener.Addr())
	}
	progress := func(r tracegen.Report) { fmt.Fprintln(errs, r.Line()) }
	if s.quiet {
		progress = nil
	}
	report, err := tracegen.Run(ctx, s.cfg, progress)
	if err != nil {
		return err
	}
	return s.finish(ctx, report, out, errs)
}

// finish writes the report where it is wanted, and judges it. A run that was
// interrupted is verified, too: what it has sent is known.
func (s sending) finish(ctx context.Context, report tracegen.Report, out, errs io.Writer) error {
	if err := report.WriteTable(out); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	fmt.Fprintf(out, "seed %d\n", s.cfg.Seed)
	record, err := tracegen.NewRecord(s.cfg, report)
	if err != nil {
		return err
	}
	if s.report != "" {
		if err := writeFile(s.report, record.WriteJSON); err != nil {
			return err
		}
	}
	good := s.judge(report, errs)
	if s.verify.URL != "" {
		if err := askFor(context.WithoutCancel(ctx), s.verify, record, out); err != nil {
			return err
		}
	}
	if !good {
		return errBad
	}
	return nil
}

// judge says whether the thresholds hold; where there are none, whether all
// was acknowledged.
func (s sending) judge(report tracegen.Report, errs io.Writer) bool {
	if s.thresholds == nil {
		return report.Complete()
	}
	good := true
	for _, t := range s.thresholds {
		if t.Broken(report) {
			fmt.Fprintln(errs, "tracegen: failed,", t.Describe(report))
			good = false
		}
	}
	return good
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
	flags.Uint64Var(&cfg.Seed, "seed", 0, "the same seed makes the same traces, but for their times (default: another each time)")
	flags.StringVar(&s.report, "report", "", "write the report to this JSON file; tracegen verify reads it")
	failIf := flags.String("fail-if", "", "what makes the exit status 1, as in 'loss>0,p99>250ms' (default: anything that was not acknowledged)")
	flags.StringVar(&s.metrics, "metrics", "", "serve metrics for Prometheus at this address while it runs")
	s.verify = verify.DefaultConfig()
	flags.StringVar(&s.verify.URL, "verify", "", "ask this viewer, Jaeger or sink for every trace at the end, as in http://127.0.0.1:16686")
	flags.DurationVar(&s.verify.Wait, "verify-wait", s.verify.Wait, "how long to wait for what is on its way")
	flags.Uint64Var(&s.verify.Sample, "verify-sample", 0, "ask for so many of the traces only, evenly spread")
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
	if !given["seed"] {
		cfg.Seed = rand.Uint64() //nolint:gosec // it need not be secret
	}
	var err error
	if *failIf != "" {
		if s.thresholds, err = tracegen.ParseThresholds(*failIf); err != nil {
			return s, err
		}
	}
	if s.verify.URL != "" {
		if err := s.verify.Validate(); err != nil {
			return s, fmt.Errorf("verify: %w", err)
		}
	}
	if cfg.Topology, err = topology.Load(*named); err != nil {
		return s, err
	}
	return s, cfg.Validate()
}
