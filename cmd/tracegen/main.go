// Command tracegen makes the traces of a topology and sends them to a
// collector, at a rate or as fast as it acknowledges them, and accounts for
// each of them.
//
// It exits with 0 when all is as it should be, with 1 when it is not, and with
// 2 when it could not begin.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// The exit statuses.
const (
	statusGood  = 0
	statusBad   = 1
	statusWrong = 2 // it could not begin
)

// errBad ends a command that has said already what is not as it should be.
var errBad = errors.New("not as it should be")

// subcommand is what one word behind tracegen does: what it finds goes to out, all else to
// errs.
type subcommand func(ctx context.Context, args []string, out, errs io.Writer) error

const synopsis = `tracegen [run] [flags]                  send traces and account for each
tracegen verify --report FILE [flags]   ask a viewer or Jaeger whether each trace has arrived
tracegen learn [flags] SOURCE...        make a topology of recorded traces
tracegen replay [flags] SOURCE...       send recorded traces again
tracegen record --out FILE SOURCE...    write recorded traces to a file
tracegen sink [flags]                   receive traces, count them, and answer verify
tracegen topology list                  the topologies that are built in
tracegen topology show NAME|FILE        a topology as YAML
tracegen topology check NAME|FILE       what its traces are like, and a drawing
tracegen topology schema                a JSON schema of topologies, for editors

A SOURCE is a file (OTLP in JSON or protobuf, Jaeger's JSON; gzip and zstd are known), the directory of a stopped
collector's journal, or the URL of a viewer or of Jaeger.
`

// run is the whole command. Flags without a subcommand are those of run.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	do := subcommand(send)
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		known := map[string]subcommand{"run": send, "topology": showTopology, "verify": verifyReport, "sink": receive, "learn": learnTopology, "record": record, "replay": replay}
		if do = known[args[0]]; do == nil {
			fmt.Fprintf(errs, "tracegen: %q is no command; there are:\n%s", args[0], synopsis)
			return statusWrong
		}
		args = args[1:]
	}
	err := do(ctx, args, out, errs)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return statusGood
	case errors.Is(err, errBad):
		return statusBad
	default:
		fmt.Fprintln(errs, "tracegen:", err)
		return statusWrong
	}
}

// newFlags are the flags of a subcommand.
func newFlags(name string, errs io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet("tracegen "+name, flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Usage = func() {
		fmt.Fprintf(errs, "%s\nflags of tracegen %s:\n", synopsis, name)
		flags.PrintDefaults()
	}
	return flags
}

// parseFlags parses arguments that are all flags.
func parseFlags(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	return nil
}

// givenFlags are those that the arguments have.
func givenFlags(flags *flag.FlagSet) map[string]bool {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return given
}
