package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/waybill-dev/waybill/tracegen"
	"github.com/waybill-dev/waybill/tracegen/verify"
)

// verifyReport is the command verify.
func verifyReport(ctx context.Context, args []string, out, errs io.Writer) error {
	cfg := verify.DefaultConfig()
	flags := newFlags("verify", errs)
	file := flags.String("report", "", "the file that run --report has written")
	viewer := flags.String("viewer", "", "where the viewer is, as in http://127.0.0.1:16686")
	jaeger := flags.String("jaeger", "", "where Jaeger's query API is, in place of the viewer")
	sink := flags.String("sink", "", "where a sink is, in place of the viewer, as in http://127.0.0.1:4318")
	flags.Uint64Var(&cfg.Sample, "sample", 0, "ask for so many of the traces only, evenly spread")
	flags.DurationVar(&cfg.Wait, "wait", cfg.Wait, "how long to wait for what is on its way")
	flags.IntVar(&cfg.Workers, "workers", cfg.Workers, "questions that are asked at once")
	var from sources
	from.register(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	given := 0
	for _, url := range []string{*viewer, *jaeger, *sink} {
		if url != "" {
			cfg.URL = url
			given++
		}
	}
	if given > 1 {
		return errors.New("verify: want one of --viewer, --jaeger and --sink")
	}
	if *file == "" {
		return errors.New("verify: --report says which traces; it is missing")
	}
	opened, err := os.Open(*file)
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }()
	record, err := tracegen.ReadRecord(opened)
	if err != nil {
		return fmt.Errorf("%s: %w", *file, err)
	}
	if record.Recorded == 0 && flags.NArg() > 0 {
		return fmt.Errorf("verify: the report is of a topology, which it has; %q is no flag", flags.Arg(0))
	}
	if record.Recorded > 0 {
		if cfg.Recording, err = from.read(ctx, flags.Args(), errs); err != nil {
			return fmt.Errorf("verify: the report is of a replay, whose source stands behind the flags: %w", err)
		}
	}
	result, err := askFor(ctx, cfg, record, out)
	if err == nil && !result.Good() {
		err = errBad
	}
	return err
}

// askFor verifies and prints what it finds.
func askFor(ctx context.Context, cfg verify.Config, record tracegen.Record, out io.Writer) (verify.Result, error) {
	result, err := verify.Run(ctx, cfg, record)
	if err != nil {
		return result, fmt.Errorf("verify: %w", err)
	}
	return result, result.WriteTable(out)
}
