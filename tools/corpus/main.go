// Command corpus keeps what fuzzing has found. Of the inputs in Go's fuzz cache
// it takes those that reach most of what the seeds in the code do not, and
// writes them to testdata/fuzz, where plain "go test" runs them each time.
//
//	cd tools && go run ./corpus [--most 5] [--size 4096] ../collector/wire …
//
// What an input reaches is measured by Go's coverage, one run of the test binary
// for each input: a block of statements that runs once, twice, up to three,
// seven, fifteen … times is one feature each. Seeds and inputs that are kept by
// hand, whose names are words, come first; then the input with the most new
// features is kept, the smaller of two equals, again and again, until none is
// left or there are enough. Inputs that are too large, or that no longer have
// the target's types, are left out. An input that fails the target is named and
// not kept: it is a bug to be mended first.
//
// Inputs that are kept under the names that the cache gives, 16 hex digits, are
// candidates as well, and replaced by what is chosen.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() { os.Exit(run()) } //nolint:forbidigo // It is main.

func run() int {
	k := keeper{out: os.Stdout}
	flag.IntVar(&k.most, "most", 5, "how many inputs to keep for each target")
	flag.Int64Var(&k.size, "size", 4096, "how large an input's file may be, in `bytes`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for _, dir := range flag.Args() {
		if err := k.keep(ctx, dir); err != nil {
			fmt.Fprintf(os.Stderr, "corpus: %s: %v\n", dir, err)
			return 1
		}
	}
	return 0
}
