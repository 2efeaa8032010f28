// Command collector receives OTLP, keeps it safe in a journal, derives RED
// metrics from spans, and forwards to Jaeger, Prometheus and Loki.
//
//	collector [--config FILE] [--log-format text|json] [--log-level LEVEL]
//	collector validate [--config FILE]
//	collector sample --config FILE [--journal DIR]
//	collector version
//
// It runs until SIGINT or SIGTERM; a second one ends it at once. On SIGHUP, and
// when FILE has changed, it takes over the configuration. It exits with
// 0 after a clean stop, with 1 when something failed, with 2 when the command
// line or the configuration is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run()) }

func run() int {
	p := newProgram(os.Stdout, os.Stderr, os.LookupEnv)
	switch err := p.ParseFlags(os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(os.Stderr, "collector:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // From the first signal on, the next one is the system's.
	if err := p.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "collector:", err)
		if errors.Is(err, errConfiguration) {
			return 2
		}
		return 1
	}
	return 0
}
