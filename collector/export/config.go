package export

import (
	"errors"
	"fmt"
	"strings"

	"github.com/waybill-dev/waybill/collector/journal"
)

// Config says where each signal is forwarded to, and where requests are kept
// that a backend will never take.
type Config struct {
	Traces      Destinations `yaml:"traces"`
	Metrics     Destinations `yaml:"metrics"`
	Logs        Destinations `yaml:"logs"`
	DeadLetters DeadLetters  `yaml:"dead_letters"`
}

// Destinations are the backends of one signal. In a configuration file they
// are a list of mappings, or one mapping alone.
type Destinations []Destination

// MayStandAlone marks a list whose only element may be written without it.
func (Destinations) MayStandAlone() {}

// DeadLetters says how much of what backends will never take is kept.
type DeadLetters struct {
	// Dir has a directory for each destination that has refused something. The
	// collector sets it to dead-letters in the journal's directory when it is
	// empty.
	Dir string `yaml:"dir"`
	// MaxBytes bounds what one destination may occupy there. Zero keeps nothing:
	// what is refused is dropped.
	MaxBytes int64 `yaml:"max_bytes"`
	// WhenFull says what happens when MaxBytes are used up, or the disk is: with
	// wait the destination waits for room, and the journal holds what is for it;
	// with drop_oldest the older half makes room for what is new.
	WhenFull WhenFull `yaml:"when_full"`
}

// WhenFull is what becomes of dead letters for which there is no room. The empty
// one is WhenFullWait.
type WhenFull string

// The ways to do without room.
const (
	WhenFullWait       WhenFull = "wait"
	WhenFullDropOldest WhenFull = "drop_oldest"
)

// kept says whether there are dead letters.
func (d DeadLetters) kept() bool { return d.MaxBytes > 0 && d.Dir != "" }

// mayDrop says that losing one is better than waiting.
func (d DeadLetters) mayDrop() bool { return !d.kept() || d.WhenFull == WhenFullDropOldest }

// minDeadLetters is the least that a journal of dead letters is of use with.
const minDeadLetters = 1 << 20

// DefaultConfig forwards nothing. Each signal has one destination, whose
// endpoint is empty.
func DefaultConfig() Config {
	return Config{
		Traces:      Destinations{DefaultDestination()},
		Metrics:     Destinations{DefaultDestination()},
		Logs:        Destinations{DefaultDestination()},
		DeadLetters: DeadLetters{MaxBytes: 128 << 20, WhenFull: WhenFullWait},
	}
}

// of are the destinations of a signal.
func (c Config) of(signal journal.Signal) Destinations {
	switch signal {
	case journal.Traces:
		return c.Traces
	case journal.Metrics:
		return c.Metrics
	case journal.Logs:
		return c.Logs
	}
	return nil
}

// Validate reports all that is wrong with the configuration, by its keys.
func (c Config) Validate() error {
	var errs []error
	for signal := journal.Traces; signal <= journal.Logs; signal++ {
		errs = append(errs, c.of(signal).validate(signal.String()))
	}
	if c.DeadLetters.MaxBytes != 0 && c.DeadLetters.MaxBytes < minDeadLetters {
		errs = append(errs, fmt.Errorf("dead_letters.max_bytes: %d: want 0, or at least %d", c.DeadLetters.MaxBytes, minDeadLetters))
	}
	switch c.DeadLetters.WhenFull {
	case "", WhenFullWait, WhenFullDropOldest:
	default:
		errs = append(errs, fmt.Errorf("dead_letters.when_full: %q: want %s or %s", c.DeadLetters.WhenFull, WhenFullWait, WhenFullDropOldest))
	}
	return errors.Join(errs...)
}

func (list Destinations) validate(signal string) error {
	var errs []error
	seen := map[string]bool{}
	for i, d := range list {
		at := signal
		if len(list) > 1 {
			at = fmt.Sprintf("%s[%d]", signal, i)
		}
		errs = append(errs, d.validate(at))
		if seen[d.Name] {
			errs = append(errs, fmt.Errorf("%s.name: %q is there twice; each destination wants a name of its own", at, d.Name))
		}
		seen[d.Name] = true
	}
	return errors.Join(errs...)
}

const readerPrefix = "export-"

// ReaderName is the name by which a destination keeps its place in the journal.
func ReaderName(signal journal.Signal, destination string) string {
	if destination == DefaultName {
		return readerPrefix + signal.String()
	}
	return readerPrefix + signal.String() + "-" + destination
}

// IsReader says whether a reader's name is one of those that ReaderName gives,
// or has given with another configuration.
func IsReader(name string) bool { return strings.HasPrefix(name, readerPrefix) }

// IsReaderOf says so of one signal.
func IsReaderOf(signal journal.Signal, name string) bool {
	all := ReaderName(signal, DefaultName)
	return name == all || strings.HasPrefix(name, all+"-")
}

// Readers are the names of all readers that the configuration has for a signal.
func (c Config) Readers(signal journal.Signal) []string {
	var names []string
	for _, d := range c.of(signal) {
		if d.Enabled() {
			names = append(names, ReaderName(signal, d.Name))
		}
	}
	return names
}
