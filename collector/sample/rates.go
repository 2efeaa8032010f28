package sample

import (
	"errors"
	"fmt"
)

// maxRates bounds the rates of services and operations.
const maxRates = 10_000

// HeadPlace is who samples by the rates of head sampling.
type HeadPlace string

// The places.
const (
	// AtCollector has the collector leave out of forwarding what is not sampled.
	AtCollector HeadPlace = "collector"
	// AtClients has Jaeger's clients, which ask, sample before they send.
	AtClients HeadPlace = "clients"
)

// HeadConfig says which part of the traces is sampled, whatever is in them. The
// decision depends on a trace's id and on where it begins, so it is the same
// for all of its spans.
type HeadConfig struct {
	// At is who samples. With collector, what is left out still counts in
	// derived metrics, and Jaeger's clients that ask are told to send the share
	// that receive.jaeger.sampling.probability says. With clients, the rates are
	// what those that ask are told, and the collector leaves nothing out.
	At HeadPlace `yaml:"at"`
	// Percent is the part of the traces that is sampled where no rate says
	// another, 0 to 100.
	Percent float64 `yaml:"percent"`
	// Rates are those of traces that begin at some service, or with some
	// operation of it.
	Rates []Rate `yaml:"rates"`
}

// Rate is the part of the traces that begin somewhere.
type Rate struct {
	// Service is the service.name of the trace's first span.
	Service string `yaml:"service"`
	// Operation is that span's name; where it is empty the rate is for all of
	// the service's operations that have none of their own.
	Operation string `yaml:"operation"`
	// Percent is 0 to 100.
	Percent float64 `yaml:"percent"`
	// TracesPerSecond is how many traces each client of the service begins in a
	// second at most, in place of a percentage; at clients only.
	TracesPerSecond int32 `yaml:"traces_per_second"`
}

// SetDefaults makes a rate sample everything.
func (r *Rate) SetDefaults() { r.Percent = 100 }

// Enabled says whether the collector is to leave anything out.
func (c HeadConfig) Enabled() bool {
	return c.At == AtCollector && (c.Percent < 100 || len(c.Rates) > 0)
}

// validate reports all that is wrong, by the keys of sample.
func (c HeadConfig) validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("head."+format, args...)) }
	if c.At != AtCollector && c.At != AtClients {
		wrong("at: %q: want collector or clients", c.At)
	}
	if !isPercent(c.Percent) {
		wrong("percent: %v: want 0 to 100", c.Percent)
	}
	if len(c.Rates) > maxRates {
		wrong("rates: %d of them: want at most %d", len(c.Rates), maxRates)
	}
	type place struct{ service, operation string }
	before := map[place]bool{}
	limited := map[string]bool{}
	for _, r := range c.Rates {
		limited[r.Service] = limited[r.Service] || r.TracesPerSecond != 0
	}
	for i, r := range c.Rates {
		if reason := r.wrong(c.At); reason != "" {
			wrong("rates[%d].%s", i, reason)
		}
		if at := (place{r.Service, r.Operation}); before[at] {
			wrong("rates[%d].service: %q has two rates for the same", i, r.Service)
		} else {
			before[at] = true
		}
		if r.Operation != "" && r.TracesPerSecond == 0 && limited[r.Service] {
			wrong("rates[%d].operation: service %q has traces_per_second, which go for all of its operations", i, r.Service)
		}
	}
	return errors.Join(errs...)
}

// wrong is the key whose value will not do, and why.
func (r Rate) wrong(at HeadPlace) string {
	switch {
	case r.Service == "":
		return "service: the service's name is not given"
	case !isPercent(r.Percent):
		return fmt.Sprintf("percent: %v: want 0 to 100", r.Percent)
	case r.TracesPerSecond < 0:
		return fmt.Sprintf("traces_per_second: %d is negative", r.TracesPerSecond)
	case r.TracesPerSecond > 0 && at != AtClients:
		return "traces_per_second: only clients can keep to it; here a tail policy of type rate_limit does"
	case r.TracesPerSecond > 0 && r.Percent != 100:
		return "traces_per_second: want this or percent, not both"
	case r.TracesPerSecond > 0 && r.Operation != "":
		return "traces_per_second: it goes for a whole service"
	}
	return ""
}

func isPercent(p float64) bool { return p >= 0 && p <= 100 }
