package tracegen

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// maxErrors bounds the reasons that a report keeps.
const maxErrors = 5

// account is what the workers write into. It is safe for concurrent use.
type account struct {
	began time.Time
	// targets says what each target has answered.
	targets func() []Target

	mu        sync.Mutex
	totals    Report
	refusals  map[string]uint64
	latencies latencies
	lateness  latencies
	timeline  timeline
}

// newAccount begins now; due says how many units are due after how long.
func newAccount(now time.Time, due func(time.Duration) float64) *account {
	return &account{began: now, refusals: map[string]uint64{}, targets: func() []Target { return nil }, timeline: newTimeline(due)}
}

// made counts a request before it is sent, so long after it was due.
func (a *account) made(amount Amount, late time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lateness.add(late)
	a.timeline.lateness.add(late)
	a.totals.Made.add(amount)
}

// retried counts one repetition.
func (a *account) retried() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.totals.Retries++
}

// maxRefusals bounds how many different reasons are counted apart.
const maxRefusals = 20

// refused counts one answer that was none, or no.
func (a *account) refused(reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.refusals[reason]; !known && len(a.refusals) >= maxRefusals {
		reason = "other reasons"
	}
	a.refusals[reason]++
}

// settled counts the final answer to a request for some traces, so long after
// it was due.
func (a *account) settled(traces Range, amount Amount, took time.Duration, answer answer, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.latencies.add(took)
	a.timeline.latencies.add(took)
	if err != nil {
		a.totals.Failed.add(amount)
		a.totals.Lost = append(a.totals.Lost, traces)
		a.reason(err.Error())
		return
	}
	rejected := min(answer.rejected, amount.Spans)
	if rejected > 0 {
		a.totals.Partial = append(a.totals.Partial, traces)
	}
	a.totals.Rejected.Spans += rejected
	amount.Spans -= rejected
	a.totals.Acknowledged.add(amount)
	if answer.message != "" {
		a.reason(answer.message)
	}
}

// tally is where a signal is counted.
func (a *account) tally(signal signal) *Tally {
	if signal == logs {
		return &a.totals.Logs
	}
	return &a.totals.Points
}

// noted counts log records or points before they are sent.
func (a *account) noted(signal signal, n uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tally(signal).Made += n
}

// noticed counts the final answer to them.
func (a *account) noticed(signal signal, n uint64, answer answer, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.tally(signal)
	if err != nil {
		t.Failed += n
		a.reason(err.Error())
		return
	}
	rejected := min(answer.rejected, n)
	t.Rejected += rejected
	t.Acknowledged += n - rejected
	if answer.message != "" {
		a.reason(answer.message)
	}
}

func (a *account) reason(text string) {
	text = withoutPort(text)
	if slices.Contains(a.totals.Errors, text) {
		return
	}
	a.totals.Errors = append(a.totals.Errors, text)
	if len(a.totals.Errors) > maxErrors {
		a.totals.Errors = a.totals.Errors[1:]
	}
}

// tick goes on with the timeline; over ends it.
func (a *account) tick(now time.Time, over bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.timeline.tick(now.Sub(a.began), a.totals, over)
}

// report is a snapshot.
func (a *account) report(now time.Time) Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.totals
	r.Errors = append([]string(nil), a.totals.Errors...)
	r.Started, r.Elapsed = a.began, now.Sub(a.began)
	r.Lost, r.Partial = merged(r.Lost), merged(r.Partial)
	r.Refusals = nil
	for reason, n := range a.refusals {
		r.Refusals = append(r.Refusals, Refusal{reason, n})
	}
	slices.SortFunc(r.Refusals, func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Reason, b.Reason))
	})
	latency := a.latencies.quantiles()
	r.P50, r.P90, r.P99, r.Max = latency.P50, latency.P90, latency.P99, latency.Max
	r.Late = a.lateness.quantiles()
	r.Targets = a.targets()
	r.Timeline = slices.Clone(a.timeline.moments)
	r.Percentiles = a.latencies.percentiles()
	return r
}
