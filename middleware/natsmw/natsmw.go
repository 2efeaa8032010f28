// Package natsmw observes messages over NATS, core and JetStream: publishing
// makes a span and puts the trace into the message, processing makes a span
// that links to it, after OpenTelemetry's conventions.
package natsmw

type config struct {
	source      Telemetry
	destination func(string) string
	group       string
	child       bool
}
