// Command collector measures our collector beside the OpenTelemetry Collector
// and a proxy that only copies bytes, each as a process of its own between the
// same load and the same backend on this machine. It runs on Linux.
//
// The modes:
//
//	compare  CPU time, memory, throughput, loss and duplicates, by turns
//	kill     kill -9 and start again, over and over: loss, duplicates, time to start
//	outage   the backend goes away and comes back, with one kill meanwhile;
//	         with -dir on a small file system, or a small -mib, the disk fills up
//	profile  what our collector spends its CPU time on, for go tool pprof
package main

import (
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
	dir      string
	mib      int64
	other    string
	kills    int
	outage   time.Duration
}

func command(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("collector", flag.ContinueOnError)
	flags.StringVar(&o.mode, "mode", "compare", "compare, kill, outage or profile")
	flags.StringVar(&o.subjects, "subjects", "pass-through,waybill,waybill-red,otelcol-memory,otelcol-synced,otelcol-first",
		"who is measured; otelcol-queue is another one")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds, in each of which each subject has its turn")
	flags.DurationVar(&o.each, "each", 4*time.Second, "time for which the load lasts each time")
	flags.Float64Var(&o.rate, "rate", 50_000, "spans a second of the paced load")
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
	chosen, err := choose(o.subjects)
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
	if b.templates, err = newTemplates(ctx, 4); err != nil {
		return err
	}
	switch o.mode {
	case "compare":
		c := comparison{subjects: chosen, rates: []float64{0, o.rate}, rounds: o.rounds, each: o.each}
		return c.run(ctx, b, os.Stdout, os.Stderr)
	case "kill":
		return b.sufferAll(ctx, chosen, fault{rate: o.rate, kills: o.kills}, os.Stdout, os.Stderr)
	case "outage":
		return b.sufferAll(ctx, chosen, fault{rate: o.rate, outage: o.outage}, os.Stdout, os.Stderr)
	case "profile":
		for _, rate := range []float64{0, o.rate} {
			if err := b.profile(ctx, ours("waybill", "", `"off"`), rate, o.each); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("mode %q is none", o.mode)
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
