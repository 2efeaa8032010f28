package tracegen

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// Report accounts for what was made. Made is the sum of Acknowledged, Rejected
// and Failed, in requests and in spans, once a run has ended.
type Report struct {
	Made, Acknowledged, Rejected, Failed Amount
	// Retries counts the requests that were sent again.
	Retries uint64
	Elapsed time.Duration
	// Latency is from when a request's first trace was due to its final
	// answer: P50 to Max.
	P50, P90, P99, Max time.Duration
	// Late is how long after it was due a request was first sent. Where it
	// grows, this program, and not the receiver, may be what is measured.
	Late Quantiles
	// Errors are the last few different reasons for refusal or failure.
	Errors []string
}

// Quantiles are of durations.
type Quantiles struct {
	P50, P90, P99, Max time.Duration
}

// Amount counts something in three units. A request that was taken in part is
// among the acknowledged; its rejected spans are among the rejected.
type Amount struct {
	Requests, Traces, Spans, Bytes uint64
}

func (a *Amount) add(b Amount) {
	a.Requests += b.Requests
	a.Traces += b.Traces
	a.Spans += b.Spans
	a.Bytes += b.Bytes
}

// Complete says that all that was made was acknowledged whole.
func (r Report) Complete() bool {
	return r.Rejected == Amount{} && r.Failed == Amount{} && r.Made == r.Acknowledged
}

// Line is the report in one line, for progress.
func (r Report) Line() string {
	return fmt.Sprintf("%6.1fs  %d traces  %d spans  %.1f traces/s  %d retries  %d spans rejected  %d spans failed  p99 %v",
		r.Elapsed.Seconds(), r.Acknowledged.Traces, r.Acknowledged.Spans, r.rate(r.Acknowledged.Traces),
		r.Retries, r.Rejected.Spans, r.Failed.Spans, rounded(r.P99))
}

// WriteTable writes the whole report for a person.
func (r Report) WriteTable(w io.Writer) error {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...any) { _, _ = fmt.Fprintf(table, strings.Repeat("%v\t", len(cells))+"\n", cells...) }
	row("", "requests", "traces", "spans", "MiB")
	for _, line := range []struct {
		name string
		Amount
	}{{"made", r.Made}, {"acknowledged", r.Acknowledged}, {"rejected", r.Rejected}, {"failed", r.Failed}} {
		row(line.name, line.Requests, line.Traces, line.Spans, fmt.Sprintf("%.1f", float64(line.Bytes)/(1<<20)))
	}
	_ = table.Flush() // A strings.Builder takes everything.
	fmt.Fprintf(&text, "\nin %v: %.1f traces/s, %.0f spans/s acknowledged; %d requests sent again\n",
		r.Elapsed.Round(time.Millisecond), r.rate(r.Acknowledged.Traces), r.rate(r.Acknowledged.Spans), r.Retries)
	fmt.Fprintf(&text, "latency since due: p50 %v, p90 %v, p99 %v, max %v\n",
		rounded(r.P50), rounded(r.P90), rounded(r.P99), rounded(r.Max))
	fmt.Fprintf(&text, "sent late by: p50 %v, p90 %v, p99 %v, max %v\n",
		rounded(r.Late.P50), rounded(r.Late.P90), rounded(r.Late.P99), rounded(r.Late.Max))
	for _, reason := range r.Errors {
		fmt.Fprintf(&text, "not taken: %s\n", reason)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func (r Report) rate(n uint64) float64 { return float64(n) / max(r.Elapsed.Seconds(), 1e-9) }

func rounded(d time.Duration) time.Duration {
	if d > 100*time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}

// maxErrors bounds the reasons that a report keeps.
const maxErrors = 5

// account is what the workers write into. It is safe for concurrent use.
type account struct {
	began time.Time

	mu        sync.Mutex
	totals    Report
	latencies latencies
	lateness  latencies
}

func newAccount(now time.Time) *account { return &account{began: now} }

// made counts a request before it is sent, so long after it was due.
func (a *account) made(amount Amount, late time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lateness.add(late)
	a.totals.Made.add(amount)
}

// retried counts one repetition.
func (a *account) retried() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.totals.Retries++
}

// settled counts a request's final answer.
func (a *account) settled(amount Amount, took time.Duration, answer answer, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.latencies.add(took)
	if err != nil {
		a.totals.Failed.add(amount)
		a.reason(err.Error())
		return
	}
	rejected := min(answer.rejected, amount.Spans)
	a.totals.Rejected.Spans += rejected
	amount.Spans -= rejected
	a.totals.Acknowledged.add(amount)
	if answer.message != "" {
		a.reason(answer.message)
	}
}

func (a *account) reason(text string) {
	if slices.Contains(a.totals.Errors, text) {
		return
	}
	a.totals.Errors = append(a.totals.Errors, text)
	if len(a.totals.Errors) > maxErrors {
		a.totals.Errors = a.totals.Errors[1:]
	}
}

// report is a snapshot.
func (a *account) report(now time.Time) Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.totals
	r.Errors = append([]string(nil), a.totals.Errors...)
	r.Elapsed = now.Sub(a.began)
	latency := a.latencies.quantiles()
	r.P50, r.P90, r.P99, r.Max = latency.P50, latency.P90, latency.P99, latency.Max
	r.Late = a.lateness.quantiles()
	return r
}
