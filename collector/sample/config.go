package sample

import (
	"errors"
	"fmt"
	"time"
)

// Bounds of what may be configured.
const (
	minTraces = 100
	maxTraces = 10_000_000
	minMemory = 1 << 20
	// minKept has segments into which a large request of a client fits.
	minKept = 256 << 20
	// maxPolicies is how many there may be, those inside others included: each
	// has a bit.
	maxPolicies = 64
	// maxDepth is how deeply policies may stand in each other.
	maxDepth = 8
)

// Config says which traces are forwarded.
type Config struct {
	Head HeadConfig `yaml:"head"`
	Tail TailConfig `yaml:"tail"`
}

// TailConfig says how traces are chosen when they are complete. Without
// policies every trace is forwarded, and nothing is held.
type TailConfig struct {
	// DecisionWait is how long a trace is waited for, from its first span on,
	// by the time at which the collector received it.
	DecisionWait time.Duration `yaml:"decision_wait"`
	// RootGrace is how long a trace is waited for when its root has come.
	RootGrace time.Duration `yaml:"root_grace"`
	// MaxTraces bounds the traces that wait. Beyond it the oldest is decided
	// by what is there.
	MaxTraces int `yaml:"max_traces"`
	// MaxMemoryBytes bounds what the traces that wait take, in bytes, with the
	// same consequence.
	MaxMemoryBytes int64 `yaml:"max_memory_bytes"`
	// MaxTraceSpans is the number of spans at which a trace is decided at once.
	MaxTraceSpans int `yaml:"max_trace_spans"`
	// RememberTraces is how many decisions are remembered, so that spans that
	// come late follow them.
	RememberTraces int `yaml:"remember_traces"`
	// MaxBytes bounds what is chosen and not forwarded yet. It lies in a journal
	// of its own, sampled in the journal's directory. Zero is as much as the
	// journal's.
	MaxBytes int64 `yaml:"max_bytes"`
	// Policies choose: a trace is forwarded where one of them wants it. Without
	// any, every trace is forwarded.
	Policies []Policy `yaml:"policies"`
}

// DefaultConfig has every trace forwarded.
func DefaultConfig() Config {
	return Config{Head: HeadConfig{At: AtCollector, Percent: 100}, Tail: TailConfig{
		DecisionWait: 10 * time.Second, RootGrace: 2 * time.Second,
		MaxTraces: 200_000, MaxMemoryBytes: 64 << 20, MaxTraceSpans: 10_000, RememberTraces: 100_000,
	}}
}

// Enabled says whether anything is to be chosen.
func (c Config) Enabled() bool { return c.Head.Enabled() || c.Tail.Enabled() }

// Enabled says whether there are policies.
func (c TailConfig) Enabled() bool { return len(c.Policies) > 0 }

// Validate reports all that is wrong with the configuration, by its keys.
func (c Config) Validate() error {
	t := c.Tail
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("tail."+format, args...)) }
	if t.DecisionWait <= 0 {
		wrong("decision_wait: %v is not positive", t.DecisionWait)
	}
	if t.RootGrace < 0 {
		wrong("root_grace: %v is negative", t.RootGrace)
	}
	if t.MaxTraces < minTraces || t.MaxTraces > maxTraces {
		wrong("max_traces: %d: want %d to %d", t.MaxTraces, minTraces, maxTraces)
	}
	if t.RememberTraces < minTraces || t.RememberTraces > maxTraces {
		wrong("remember_traces: %d: want %d to %d", t.RememberTraces, minTraces, maxTraces)
	}
	if t.MaxMemoryBytes < minMemory {
		wrong("max_memory_bytes: %d: want at least %d", t.MaxMemoryBytes, minMemory)
	}
	if t.MaxTraceSpans < 1 {
		wrong("max_trace_spans: %d: want at least 1", t.MaxTraceSpans)
	}
	if t.MaxBytes != 0 && t.MaxBytes < minKept {
		wrong("max_bytes: %d: want 0, or at least %d", t.MaxBytes, minKept)
	}
	if n := count(t.Policies); n > maxPolicies {
		wrong("policies: %d of them, with those inside others: want at most %d", n, maxPolicies)
	}
	return errors.Join(append(errs, validate(t.Policies, "tail.policies", 1), c.Head.validate())...)
}

func count(policies []Policy) int {
	n := len(policies)
	for _, p := range policies {
		n += count(p.Policies)
	}
	return n
}
