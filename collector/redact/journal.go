package redact

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/waybill-dev/waybill/collector/journal"
)

// maxAtOnce bounds the requests that are being redacted, in bytes: their copies
// and what has to be remembered of them are beside what receivers account for.
const maxAtOnce = 64 << 20

// Journal is a journal before which everything is redacted that is appended to
// it. It is safe for concurrent use.
type Journal struct {
	journal.Journal

	rules    atomic.Pointer[ruleset] // nil: off
	redacted *prometheus.CounterVec
	room     *semaphore.Weighted
	copies   sync.Pool // of *redactedCopy
}

// Before makes the journal behind it redact as configured, which must be valid.
// waybill_redact_values_total is registered with reg.
func Before(behind journal.Journal, cfg Config, reg prometheus.Registerer) (*Journal, error) {
	j := &Journal{
		Journal: behind,
		redacted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybill_redact_values_total",
			Help: "Values and parts of texts that were dropped, masked or hashed, by rule.",
		}, []string{"rule"}),
		room: semaphore.NewWeighted(maxAtOnce),
	}
	if err := j.Reconfigure(cfg); err != nil {
		return nil, err
	}
	return j, reg.Register(j.redacted)
}

// Reconfigure changes the rules, for the requests that come from now on. With
// an error they stay as they are.
func (j *Journal) Reconfigure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("redact configuration: %w", err)
	}
	if !cfg.Enabled {
		j.rules.Store(nil)
		return nil
	}
	rules := newRuleset(cfg)
	for _, r := range rules.all {
		j.redacted.WithLabelValues(r.name)
	}
	j.rules.Store(rules)
	return nil
}

// Active says whether anything is redacted.
func (j *Journal) Active() bool { return j.rules.Load() != nil }

// Append implements journal.Journal. Nothing is appended that cannot be
// redacted.
func (j *Journal) Append(ctx context.Context, signal journal.Signal, items uint32, payload []byte) (journal.Offset, error) {
	rules := j.rules.Load()
	if !rules.covers(signal) {
		return j.Journal.Append(ctx, signal, items, payload)
	}
	weight := min(int64(len(payload)), maxAtOnce)
	if err := j.room.Acquire(ctx, weight); err != nil {
		return 0, err
	}
	out := j.takeCopy()
	changed, err := j.redact(rules, signal, payload, out)
	if err != nil || !changed {
		j.giveCopy(out, weight)
		if err != nil {
			return 0, fmt.Errorf("redact: %w", err)
		}
		return j.Journal.Append(ctx, signal, items, payload)
	}
	defer j.giveCopy(out, weight)
	return j.Journal.Append(ctx, signal, items, out.data)
}

// redact says whether anything changes, and puts the changed request into out.
func (j *Journal) redact(rules *ruleset, signal journal.Signal, payload []byte, out *redactedCopy) (changed bool, err error) {
	e := rules.take()
	defer rules.give(e)
	if err := e.apply(signal, payload); err != nil {
		return false, err
	}
	for i, n := range e.counts {
		if n > 0 {
			j.redacted.WithLabelValues(rules.all[i].name).Add(float64(n))
		}
	}
	if e.edits.None() {
		return false, nil
	}
	if cap(out.data) < e.edits.Size() {
		out.data = make([]byte, 0, e.edits.Size())
	}
	out.data = e.edits.AppendTo(out.data[:0])
	return true, nil
}

// redactedCopy is memory for a request that was changed.
type redactedCopy struct{ data []byte }

func (j *Journal) takeCopy() *redactedCopy {
	if c, ok := j.copies.Get().(*redactedCopy); ok {
		return c
	}
	return &redactedCopy{}
}

func (j *Journal) giveCopy(c *redactedCopy, weight int64) {
	if cap(c.data) <= maxIdleBytes {
		j.copies.Put(c)
	}
	j.room.Release(weight)
}
