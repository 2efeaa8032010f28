package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"
)

// rates are in spans a second, and mostError is by how much they may be missed.
var rates = []float64{100, 10_000, 200_000}

const mostError = 0.005

// kept is what a report says of how a rate was kept.
type kept struct {
	Elapsed      float64                `json:"elapsed_seconds"`
	Acknowledged struct{ Spans uint64 } `json:"acknowledged"`
	Complete     bool                   `json:"complete"`
	Late         struct {
		P99 float64 `json:"p99"`
	} `json:"late_seconds"`
}

// keepRates runs each rate into a sink that counts only, and fails when one is
// missed.
func keepRates(ctx context.Context, dir string, length time.Duration, out io.Writer) error {
	binary, err := tracegen.build(ctx, dir)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "spans/s wanted\tspans wanted\tspans arrived\terror\tover\tsent late by (p99)\tCPU\t")
	missed := 0
	for _, rate := range rates {
		k, arrived, cpu, err := keepRate(ctx, binary, dir, rate, length)
		if err != nil {
			return fmt.Errorf("%v spans/s: %w", rate, err)
		}
		wanted := rate * length.Seconds()
		wrong := float64(arrived)/wanted - 1
		// What comes late is a rate that was not kept, too.
		if math.Abs(wrong) > mostError || k.Elapsed > length.Seconds()*(1+mostError) || !k.Complete {
			missed++
		}
		_, _ = fmt.Fprintf(table, "%.0f\t%.0f\t%d\t%+.3f %%\t%.2fs\t%v\t%.1f %%\t\n", rate, wanted, arrived, wrong*100, k.Elapsed,
			time.Duration(k.Late.P99*float64(time.Second)).Round(10*time.Microsecond), cpu.Seconds()/k.Elapsed*100)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if missed > 0 {
		return fmt.Errorf("%d rates were missed by more than %v %%", missed, mostError*100)
	}
	return nil
}

func keepRate(ctx context.Context, binary, dir string, rate float64, length time.Duration) (k kept, arrived uint64, cpu time.Duration, err error) {
	sink, err := startSink(ctx, binary, "--forget")
	if err != nil {
		return k, 0, 0, err
	}
	defer sink.stop()
	file := filepath.Join(dir, "rate.json")
	cmd := exec.CommandContext(ctx, binary, "--endpoint", sink.grpc, "--protocol", "grpc", "--unit", "spans", //nolint:gosec // the program was built a moment ago
		"--rate", strconv.FormatFloat(rate, 'f', -1, 64), "--duration", length.String(), "--report", file, "--quiet")
	if text, err := cmd.CombinedOutput(); err != nil {
		return k, 0, 0, fmt.Errorf("%w\n%s", err, text)
	}
	data, err := os.ReadFile(file) //nolint:gosec // it was written a moment ago
	if err != nil {
		return k, 0, 0, err
	}
	if err := json.Unmarshal(data, &k); err != nil {
		return k, 0, 0, err
	}
	counted, err := sink.counts(ctx)
	return k, counted.Spans, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), err
}
