// Command demo is the shop: all of it in one process with a collector, a
// viewer and customers, or one of its services alone.
//
// It exits with 0 when it was stopped, with 1 when something failed, and with 2
// when it was called wrongly.
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
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // A second signal ends the process at once.
	status := command{getenv: os.LookupEnv, stdout: os.Stdout, stderr: os.Stderr}.run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

// command is what the program has of the world around it.
type command struct {
	getenv         func(string) (string, bool)
	stdout, stderr io.Writer
}

// synopsis is what the program can be asked for.
const synopsis = `usage:
  demo [flags]            the whole shop, with a collector, a viewer and customers
  demo SERVICE [flags]    gateway, user, order, inventory, payment, notification or psp alone
  demo mesh [flags]       the mesh's control plane alone
  demo shopper [flags]    the customers alone
  demo fault [on|off KEY] what goes wrong in the shop; without anything, what can
  demo health URL         whether the URL answers 200
  demo audit [flags]      whether the databases of the shop add up
  demo bus VERB           dead letters: list, show NUMBER..., replay NUMBER... or --all
  demo mail VERB          messages to customers that are given up: list, resend EVENT... or --all
  demo saga VERB          sagas under way: list, resume ORDER...
  demo readmodel VERB     the order service's: statistics, rebuild
  demo version            what it was built from
`

// usageError is a call that makes no sense.
type usageError struct{ error }

// run is the whole program. It returns when the context ends, or something
// fails, and nothing of it runs any more.
func (c command) run(ctx context.Context, args []string) int {
	err := c.dispatch(ctx, args)
	_, misused := errors.AsType[usageError](err)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case misused:
		fmt.Fprintln(c.stderr, "demo:", err)
		return 2
	default:
		fmt.Fprintln(c.stderr, "demo:", err)
		return 1
	}
}

func (c command) dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return c.runWhole(ctx, args)
	}
	name, args := args[0], args[1:]
	tools := c.tools()
	if i := slices.IndexFunc(tools, func(t tool) bool { return t.name == name }); i >= 0 {
		return tools[i].run(ctx, args)
	}
	all := services()
	if i := slices.IndexFunc(all, func(s service) bool { return s.name == name }); i >= 0 {
		return c.runService(ctx, all[i], args)
	}
	var names []string
	for _, s := range slices.Backward(all) { // As a request comes to them.
		names = append(names, s.name)
	}
	for _, t := range tools {
		names = append(names, t.name)
	}
	return usageError{fmt.Errorf("%q is none of %s", name, strings.Join(names, ", "))}
}

// tool is what the program does beside running services.
type tool struct {
	name string
	run  func(context.Context, []string) error
}

func (c command) tools() []tool {
	return []tool{
		{"shopper", c.runShopper},
		{"mesh", c.runMesh},
		{"fault", c.runFault},
		{"health", c.runHealth},
		{"audit", c.runAudit},
		{"bus", c.runBus},
		{"mail", c.runMail},
		{"saga", c.runSaga},
		{"readmodel", c.runReadModel},
		{"version", c.runVersion},
	}
}

// verbOf takes the verb of a tool from its arguments.
func verbOf(tool string, args []string, verbs ...string) (verb string, rest []string, err error) {
	if len(args) == 0 || !slices.Contains(verbs, args[0]) {
		return "", nil, usageError{fmt.Errorf("%s wants one of %s", tool, strings.Join(verbs, ", "))}
	}
	return args[0], args[1:], nil
}

// parse reads flags that nothing may follow, and explains them to those who ask.
func (c command) parse(flags *flag.FlagSet, args []string) error {
	words, err := c.parseWords(flags, args)
	if err == nil && len(words) > 0 {
		return usageError{fmt.Errorf("%q is no flag", words[0])}
	}
	return err
}

// parseWords reads flags, and the words between and behind them.
func (c command) parseWords(flags *flag.FlagSet, args []string) (words []string, err error) {
	flags.SetOutput(io.Discard) // What it says, its error says too.
	for {
		err := flags.Parse(args)
		switch {
		case errors.Is(err, flag.ErrHelp):
			fmt.Fprintf(c.stdout, "%s\nflags of %s:\n", synopsis, flags.Name())
			flags.SetOutput(c.stdout)
			flags.PrintDefaults()
			return nil, err
		case err != nil:
			return nil, usageError{err}
		case flags.NArg() == 0:
			return words, nil
		}
		words, args = append(words, flags.Arg(0)), flags.Args()[1:]
	}
}

// env is a variable's value, or the fallback where it is not set.
func (c command) env(name, fallback string) string {
	if value, _ := c.getenv(name); value != "" {
		return value
	}
	return fallback
}
