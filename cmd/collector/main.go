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
	"os"

	"github.com/waybill-dev/waybill/internal/command"
)

func main() { os.Exit(run()) }

func run() int {
	return command.Run("collector", os.Args[1:], newProgram(os.Stdout, os.Stderr, os.LookupEnv), os.Stderr)
}
