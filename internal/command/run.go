package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// ErrConfiguration marks what a person has to correct in the configuration.
var ErrConfiguration = errors.New("configuration is not valid")

// Program is a whole command, so that tests run it in their process.
type Program interface {
	// ParseFlags reads the command line. Its errors are the caller's faults.
	ParseFlags(args []string) error
	// Run works until ctx ends, and stops gracefully then.
	Run(ctx context.Context) error
}

// Run runs a program with its arguments until SIGINT or SIGTERM; a second one
// ends the process at once. It returns the exit status: 0 after a clean end, 1
// when something failed, 2 when the command line or the configuration is wrong.
func Run(name string, args []string, p Program, stderr io.Writer) int {
	switch err := p.ParseFlags(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "%s: %v\n", name, err) //nolint:errcheck // The terminal may be gone; nobody is left to tell.
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // From the first signal on, the next one is the system's.
	err := p.Run(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "%s: %v\n", name, err) //nolint:errcheck // As above.
	if errors.Is(err, ErrConfiguration) {
		return 2
	}
	return 1
}
