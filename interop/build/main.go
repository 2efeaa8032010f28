// Command build makes the binaries of the real backends, those that are not in
// the user's cache yet. On two cores that takes half an hour.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/waybill-dev/waybill/interop/backend"
)

func main() {
	log.SetFlags(0)
	if err := build(os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// build makes one backend after the other: each uses all cores by itself.
func build(out io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for _, b := range backend.All() {
		path, took, err := b.Build(ctx)
		if err != nil {
			return err
		}
		how := "was there"
		if took > 0 {
			how = "took " + took.Round(time.Second).String()
		}
		if _, err := fmt.Fprintf(out, "%-11s %-12s %s\n", b.Name, how, path); err != nil {
			return err
		}
	}
	return nil
}
