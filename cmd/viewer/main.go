// Command viewer is a collector that shows what it has received: its journal
// is indexed, and traces, service map and logs are pages for a browser.
//
//	viewer [--config FILE] [--journal DIR] [--address ADDR] [--log-format text|json] [--log-level LEVEL]
//	viewer version
//
// It runs until SIGINT or SIGTERM; a second one ends it at once. With a FILE it
// takes over the collector's configuration on SIGHUP, and when FILE has
// changed. It exits with
// 0 after a clean stop, with 1 when something failed, with 2 when the command
// line or the configuration is wrong.
package main

import (
	"os"

	"github.com/waybill-dev/waybill/internal/command"
)

func main() { os.Exit(run()) }

func run() int {
	return command.Run("viewer", os.Args[1:], newProgram(os.Stdout, os.Stderr, os.LookupEnv), os.Stderr)
}
