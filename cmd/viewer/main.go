// Command viewer is a collector that shows what it has received: its journal
// is indexed, and traces, service map and logs are pages for a browser.
//
//	viewer [--config FILE] [--journal DIR] [--address ADDR]
//
// It runs until SIGINT or SIGTERM; a second one ends it at once. It exits with
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
		fmt.Fprintln(os.Stderr, "viewer:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // From the first signal on, the next one is the system's.
	if err := p.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "viewer:", err)
		if errors.Is(err, errConfiguration) {
			return 2
		}
		return 1
	}
	return 0
}
