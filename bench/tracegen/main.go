// Command tracegen (of bench) runs tracegen and telemetrygen by turns, each as
// a process of its own, into the same sink, and prints what each has cost and
// how much of it has arrived. Both send spans of the same size.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
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
	rounds := flags.Int("rounds", 3, "how often each is run")
	length := flags.Duration("duration", 5*time.Second, "for how long each time")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "waybill-bench-tracegen-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b, err := build(ctx, dir)
	if err != nil {
		return err
	}
	subjects, err := b.subjects(dir, *length)
	if err != nil {
		return err
	}
	results := make([][]result, len(subjects))
	for range *rounds {
		for i, s := range subjects {
			measured, err := measure(ctx, b.tracegen, s)
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
