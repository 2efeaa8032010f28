// Command collector measures our collector beside the OpenTelemetry Collector
// and a proxy that only copies bytes, each as a process of its own between the
// same load and the same backend on this machine. It runs on Linux.
//
// The modes:
//
//	compare  CPU time, memory, throughput, loss and duplicates, by turns
//	derive   the same of those that derive metrics, and whether the counts are right
//	sample   the same of those that sample at the tail, and whether they keep what
//	         they are to
//	kill     kill -9 and start again, over and over: loss, duplicates, time to start
//	outage   the backend goes away and comes back, with one kill meanwhile;
//	         with -dir on a small file system, or a small -mib, the disk fills up
//	profile  what our collector spends its CPU time on, for go tool pprof
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if args := os.Args[1:]; len(args) == 3 && args[0] == profiled {
		err = collect(args[1], args[2])
	} else {
		err = command(ctx, args)
	}
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		log.Fatal(err)
	}
}

// options are the command line.
type options struct {
	mode     string
	subjects string
	rounds   int
	each     time.Duration
	rate     float64
	paced    bool
	dir      string
	mib      int64
	other    string
	kills    int
	outage   time.Duration
}

func command(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("collector", flag.ContinueOnError)
	flags.StringVar(&o.mode, "mode", "compare", "compare, derive, sample, kill, outage or profile")
	flags.StringVar(&o.subjects, "subjects", "", "who is measured; empty is who usually is in the mode")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds, in each of which each subject has its turn")
	flags.DurationVar(&o.each, "each", 4*time.Second, "time for which the load lasts each time")
	flags.Float64Var(&o.rate, "rate", 50_000, "spans a second of the paced load")
	flags.BoolVar(&o.paced, "paced", false, "compare and derive at that rate alone, not as fast as accepted as well")
	flags.StringVar(&o.dir, "dir", "", "folder for what subjects keep on disk; empty is the system's for temporary files")
	flags.Int64Var(&o.mib, "mib", 4096, "what our journal may occupy, in MiB")
	flags.IntVar(&o.kills, "kills", 20, "how often kill kills")
	flags.DurationVar(&o.outage, "outage", 20*time.Second, "for how long the backend is down in outage")
	flags.StringVar(&o.other, "other", "", "another build of our collector: the subject other, to compare two versions")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "waybill-bench-")
	if err != nil {
		return err
	}
	return errors.Join(o.run(ctx, dir), os.RemoveAll(dir))
}

// run has dir for the binaries, and for all that -dir does not name.
func (o options) run(ctx context.Context, dir string) error {
	chosen, err := choose(cmp.Or(o.subjects, usual(o.mode)))
	if err != nil {
		return err
	}
	b := &bench{dir: o.dir, bytes: o.mib << 20}
	if b.dir == "" {
		b.dir = dir
	}
	if b.binaries, err = build(ctx, dir); err != nil {
		return err
	}
	b.binaries.other = o.other
	groups, parts := 4, 1
	if slices.ContainsFunc(chosen, func(s subject) bool { return s.tail }) { // A trace comes in several requests, as it would from several services.
		groups, parts = 2, 4
	}
	if b.work, err = newWork(ctx, groups, parts); err != nil {
		return err
	}
	switch o.mode {
	case "compare":
		return o.compare(ctx, b, chosen, forwarding())
	case "derive":
		return o.compare(ctx, b, chosen, deriving())
	case "sample":
		return o.compare(ctx, b, chosen, sampling())
	case "kill":
		return b.sufferAll(ctx, chosen, fault{rate: o.rate, kills: o.kills}, os.Stdout, os.Stderr)
	case "outage":
		return b.sufferAll(ctx, chosen, fault{rate: o.rate, outage: o.outage}, os.Stdout, os.Stderr)
	case "profile":
		for _, rate := range []float64{0, o.rate} {
			if err := b.profile(ctx, chosen[0], rate, o.each); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("mode %q is none", o.mode)
}

// compare measures at full speed, and at the rate.
func (o options) compare(ctx context.Context, b *bench, chosen []subject, columns []column) error {
	rates := []float64{0, o.rate}
	if o.paced {
		rates = rates[1:]
	}
	c := comparison{subjects: chosen, rates: rates, rounds: o.rounds, each: o.each, columns: columns}
	return c.run(ctx, b, os.Stdout, os.Stderr)
}

// usual are the subjects of a mode.
func usual(mode string) string {
	switch mode {
	case "derive":
		return "waybill,waybill-red,waybill-graph,otelcol-memory,otelcol-red"
	case "sample":
		return "waybill-tail,otelcol-tail,otelcol-tail-tuned"
	case "profile":
		return "waybill"
	}
	return "pass-through,waybill,waybill-graph,otelcol-memory,otelcol-synced,otelcol-first"
}

// choose finds subjects by their names.
func choose(names string) ([]subject, error) {
	var chosen []subject
	all := subjects()
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(s subject) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no subject has the name %q", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
