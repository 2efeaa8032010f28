package main

import (
	"context"
	"fmt"
	"io"

	"github.com/waybill-dev/waybill/tracegen"
)

// replay is the command replay: it sends recorded traces again.
func replay(ctx context.Context, args []string, out, errs io.Writer) error {
	var s sending
	flags := newSendingFlags("replay", &s, errs)
	cfg := &s.cfg
	cfg.Rate, cfg.Duration = 0, 0
	var from sources
	from.register(flags.FlagSet)
	flags.Float64Var(&cfg.Speed, "speed", 1, "how much faster than recorded; 0 is as fast as they are acknowledged")
	flags.Float64Var(&cfg.Rate, "rate", 0, "traces a second, or what --unit says, in place of the recorded pace")
	flags.Var(enumeration[tracegen.Unit]{&cfg.Unit}, "unit", "what --rate counts: traces, spans or bytes")
	flags.BoolVar(&cfg.Poisson, "poisson", false, "with --rate: traces come at random distances")
	flags.IntVar(&cfg.Copies, "copies", 1, "send each trace so often, each time with ids of its own")
	flags.Uint64Var(&cfg.Traces, "traces", 0, "end after so many traces (default all, with their copies)")
	flags.DurationVar(&cfg.Duration, "duration", 0, "end after so long")
	if err := flags.Parse(args); err != nil {
		return err
	}
	given := givenFlags(flags.FlagSet)
	if given["rate"] && !given["speed"] {
		cfg.Speed = 0
	}
	recorded, err := from.read(ctx, flags.Args(), errs)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	cfg.Recording, s.verify.Recording = recorded, recorded
	if cfg.Traces == 0 && cfg.Duration == 0 {
		cfg.Traces = uint64(len(recorded.Traces()) * max(cfg.Copies, 1))
	}
	if err := flags.finish(given); err != nil {
		return err
	}
	return s.run(ctx, out, errs)
}
