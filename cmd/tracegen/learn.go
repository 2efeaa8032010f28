package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/waybill-dev/waybill/tracegen/learn"
)

// learnTopology is the command learn: it makes a topology of recorded traces.
func learnTopology(ctx context.Context, args []string, out, errs io.Writer) error {
	options := learn.DefaultOptions()
	flags := newFlags("learn", errs)
	var from sources
	from.register(flags)
	file := flags.String("out", "", "write the topology to this YAML `file` (default standard output)")
	flags.StringVar(&options.Name, "name", options.Name, "what the topology is called")
	flags.IntVar(&options.Kinds, "kinds", options.Kinds, "keep so many shapes of traces, the frequent ones first")
	flags.IntVar(&options.Tempi, "tempi", options.Tempi, "divide the traces of a shape into so many groups by how long they took, at most")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if options.Kinds < 1 || options.Tempi < 1 {
		return fmt.Errorf("learn: %d kinds, %d tempi: want 1 at least", options.Kinds, options.Tempi)
	}
	recorded, err := from.read(ctx, flags.Args(), errs)
	if err != nil {
		return fmt.Errorf("learn: %w", err)
	}
	result, err := learn.From(recorded, options)
	if err != nil {
		return fmt.Errorf("learn: %w", err)
	}
	fmt.Fprintf(errs, "%d traces of %d shapes; %d shapes are in the topology, which are those of %.1f %% of the traces\n",
		result.Traces, result.Shapes, result.Kinds, result.Kept*100)
	if result.LeftOut > 0 {
		fmt.Fprintf(errs, "%d traces are left out: each needs one root, and the parent of every other span\n", result.LeftOut)
	}
	if len(result.Dropped) > 0 {
		fmt.Fprintf(errs, "attributes left out, since their values are lists or the like: %s\n", strings.Join(result.Dropped, ", "))
	}
	if *file == "" {
		_, err = out.Write(result.YAML)
		return err
	}
	return os.WriteFile(*file, result.YAML, 0o600)
}

// record is the command record: it writes recorded traces to a file, for learn
// and replay.
func record(ctx context.Context, args []string, _, errs io.Writer) error {
	flags := newFlags("record", errs)
	var from sources
	from.register(flags)
	file := flags.String("out", "", "the `file` to write, as OTLP in protobuf")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *file == "" {
		return errors.New("record: --out says where to write; it is missing")
	}
	recorded, err := from.read(ctx, flags.Args(), errs)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	encoded, err := recorded.Encode()
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	fmt.Fprintf(errs, "%d traces, %d bytes\n", len(recorded.Traces()), len(encoded))
	return os.WriteFile(*file, encoded, 0o600)
}
