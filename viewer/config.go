package viewer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/viewer/graph"
	"github.com/waybill-dev/waybill/viewer/index"
)

// Config says where the viewer listens and how much it may hold in memory.
type Config struct {
	// Address is the host and port to listen on; port 0 takes a free one.
	Address string `yaml:"address"`
	// Security is as that of the collector's listeners. A browser has no way to
	// send a token: Auth is for tools that ask Jaeger's query API.
	listen.Security
	// Hosts are further names by which browsers reach the viewer, for example
	// "traces.example.org". A viewer on a loopback address answers only to
	// localhost, to IP addresses and to these, so that a foreign page cannot
	// read it through DNS rebinding. On other addresses an empty list means
	// any name.
	Hosts []string `yaml:"hosts"`
	// MaxTraces bounds the traces in the index; the oldest go first.
	MaxTraces int `yaml:"max_traces"`
	// MaxBytes bounds the memory of the index, by its own estimate, in bytes:
	// traces, the spans of traces that still grow, and the service map.
	MaxBytes int64 `yaml:"max_bytes"`
}

// DefaultConfig listens on Jaeger's query port, on the loopback address.
func DefaultConfig() Config {
	return Config{
		Address:   "127.0.0.1:16686",
		MaxTraces: 1_000_000,
		MaxBytes:  512 << 20,
	}
}

// Validate reports all that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if err := listen.CheckAddress(c.Address); err != nil {
		errs = append(errs, fmt.Errorf("address: %w", err))
	}
	errs = append(errs, c.Security.Validate(""))
	for _, h := range c.Hosts {
		if h == "" || strings.ContainsAny(h, "/ *") {
			errs = append(errs, fmt.Errorf("hosts: %q is no name of a host", h))
		}
	}
	if c.MaxTraces < 1 {
		errs = append(errs, fmt.Errorf("max_traces: %d is not positive", c.MaxTraces))
	}
	if c.MaxBytes < 1<<20 {
		errs = append(errs, fmt.Errorf("max_bytes: %d is less than 1 MiB", c.MaxBytes))
	}
	return errors.Join(errs...)
}

// limits shares MaxBytes out: a sixteenth is for the service map, an eighth
// for spans of traces that still grow, the rest for traces.
func (c Config) limits() index.Limits {
	graphBytes, openBytes := c.MaxBytes/16, c.MaxBytes/8
	return index.Limits{
		MaxTraces:     c.MaxTraces,
		MaxBytes:      c.MaxBytes - graphBytes - openBytes,
		MaxOpenSpans:  int(openBytes / index.OpenSpanBytes),
		MaxGraphCells: int(graphBytes / graph.CellBytes),
	}
}
