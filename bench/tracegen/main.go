// Command tracegen (of bench) measures our generator, each program as a process
// of its own: beside telemetrygen into the same sink, how well it keeps a rate,
// and whether what it sends through our collector is all in the real Jaeger.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench/tracegen:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench/tracegen", flag.ContinueOnError)
	mode := flags.String("mode", "compare", "compare (with telemetrygen), rate, or deliver (through the collector into Jaeger)")
	rounds := flags.Int("rounds", 3, "compare: how often each is run")
	length := flags.Duration("duration", 0, "for how long each time (default 5s, with rate 1m)")
	var d delivery
	d.register(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "waybill-bench-tracegen-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	switch *mode {
	case "compare":
		return compare(ctx, dir, *rounds, cmp.Or(*length, 5*time.Second), out)
	case "rate":
		return keepRates(ctx, dir, cmp.Or(*length, time.Minute), out)
	case "deliver":
		return d.run(ctx, dir, out)
	default:
		return fmt.Errorf("mode %q: want compare, rate or deliver", *mode)
	}
}

// compare runs tracegen and telemetrygen by turns.
func compare(ctx context.Context, dir string, rounds int, length time.Duration, out io.Writer) error {
	subjects, err := subjects(ctx, dir, length)
	if err != nil {
		return err
	}
	results := make([][]result, len(subjects))
	for range rounds {
		for i, s := range subjects {
			measured, err := measure(ctx, filepath.Join(dir, "tracegen"), s)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			results[i] = append(results[i], measured)
		}
	}
	return write(out, subjects, results)
}

// write writes the medians of all rounds.
func write(out io.Writer, subjects []subject, results [][]result) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "\tCPU s per million spans\tspans/s arrived\tspans arrived\tarrived of those made\tbytes a span\tduplicates\t")
	for i, s := range subjects {
		median := func(of func(result) float64) float64 {
			values := make([]float64, 0, len(results[i]))
			for _, r := range results[i] {
				values = append(values, of(r))
			}
			slices.Sort(values)
			return values[len(values)/2]
		}
		made := "not told"
		if share := median(result.share); share > 0 {
			made = fmt.Sprintf("%.2f %%", share*100)
		}
		_, _ = fmt.Fprintf(table, "%s\t%.3f\t%.0f\t%.0f\t%s\t%.0f\t%.0f\t\n", s.name,
			median(result.cost), median(result.speed), median(func(r result) float64 { return float64(r.Spans) }), made,
			median(result.size), median(func(r result) float64 { return float64(r.Duplicates) }))
	}
	return table.Flush()
}
