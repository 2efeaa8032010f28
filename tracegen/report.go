package tracegen

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Report accounts for what was made. Made is the sum of Acknowledged, Rejected
// and Failed, in requests and in spans, once a run has ended.
type Report struct {
	Started                              time.Time
	Made, Acknowledged, Rejected, Failed Amount
	// Logs are log records, and Points are points of metrics.
	Logs, Points Tally
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
	// Refusals are how often requests were refused, or broke, by reason, the
	// most frequent first. Those that were sent again are among them.
	Refusals []Refusal
	// Lost are the traces of requests that failed, and Partial those of
	// requests of which spans were rejected.
	Lost, Partial []Range
	// Targets are what each of several targets has answered.
	Targets []Target
	// Timeline is the run second by second, and Percentiles are of latency.
	Timeline    []Moment
	Percentiles []Percentile
}

// Target is what one of several targets has answered: how many requests it has
// taken, and how often it has refused one, or could not be reached.
type Target struct {
	Endpoint string `json:"endpoint"`
	Accepted uint64 `json:"accepted"`
	Refused  uint64 `json:"refused"`
}

// Refusal is a reason for which requests were not taken.
type Refusal struct {
	Reason string `json:"reason"`
	N      uint64 `json:"n"`
}

// Quantiles are of durations.
type Quantiles struct {
	P50, P90, P99, Max time.Duration
}

// Tally counts what is not spans. Made is the sum of the others, once a run has
// ended.
type Tally struct {
	Made         uint64 `json:"made"`
	Acknowledged uint64 `json:"acknowledged"`
	Rejected     uint64 `json:"rejected"`
	Failed       uint64 `json:"failed"`
}

// Amount counts something in three units. A request that was taken in part is
// among the acknowledged; its rejected spans are among the rejected.
type Amount struct {
	Requests uint64 `json:"requests"`
	Traces   uint64 `json:"traces"`
	Spans    uint64 `json:"spans"`
	Bytes    uint64 `json:"bytes"`
}

func (a *Amount) add(b Amount) {
	a.Requests += b.Requests
	a.Traces += b.Traces
	a.Spans += b.Spans
	a.Bytes += b.Bytes
}

// Complete says that all that was made was acknowledged whole.
func (r Report) Complete() bool {
	return r.Rejected == Amount{} && r.Failed == Amount{} && r.Made == r.Acknowledged &&
		r.Logs.Made == r.Logs.Acknowledged && r.Points.Made == r.Points.Acknowledged
}

// Loss is the share of the spans made that was not acknowledged. While a run
// goes on, those under way are among them.
func (r Report) Loss() float64 {
	return float64(r.Made.Spans-r.Acknowledged.Spans) / float64(max(r.Made.Spans, 1))
}

func (t Tally) loss() float64 { return float64(t.Made-t.Acknowledged) / float64(max(t.Made, 1)) }

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
		r.Elapsed.Round(time.Millisecond), r.rate(r.Acknowledged.Traces), r.SpansPerSecond(), r.Retries)
	fmt.Fprintf(&text, "latency since due: p50 %v, p90 %v, p99 %v, max %v\n",
		rounded(r.P50), rounded(r.P90), rounded(r.P99), rounded(r.Max))
	fmt.Fprintf(&text, "sent late by: p50 %v, p90 %v, p99 %v, max %v\n",
		rounded(r.Late.P50), rounded(r.Late.P90), rounded(r.Late.P99), rounded(r.Late.Max))
	for _, line := range []struct {
		name string
		Tally
	}{{"log records", r.Logs}, {"metric points", r.Points}} {
		if line.Made > 0 {
			fmt.Fprintf(&text, "%s: %d made, %d acknowledged, %d rejected, %d failed\n", line.name, line.Made, line.Acknowledged, line.Rejected, line.Failed)
		}
	}
	for _, t := range r.Targets {
		fmt.Fprintf(&text, "%s: took %d requests, refused %d\n", t.Endpoint, t.Accepted, t.Refused)
	}
	for _, reason := range r.Errors {
		fmt.Fprintf(&text, "not taken: %s\n", reason)
	}
	for _, refusal := range r.Refusals {
		fmt.Fprintf(&text, "refused %d times: %s\n", refusal.N, refusal.Reason)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// SpansPerSecond is how many spans were acknowledged each second.
func (r Report) SpansPerSecond() float64 { return r.rate(r.Acknowledged.Spans) }

func (r Report) rate(n uint64) float64 { return float64(n) / max(r.Elapsed.Seconds(), 1e-9) }

func rounded(d time.Duration) time.Duration {
	if d > 100*time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}
