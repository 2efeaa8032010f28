package sample

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
)

// Amount is a number of spans and of their encoded bytes.
type Amount struct {
	Spans int
	Bytes int64
}

func (a *Amount) add(spans int, bytes int64) {
	a.Spans += spans
	a.Bytes += bytes
}

// Report is what would have been kept of a journal.
type Report struct {
	// From and To are when the first and the last request was received.
	From, To time.Time
	// Traces are all of them, KeptTraces those that are forwarded.
	Traces, KeptTraces int
	// Head says whether head sampling leaves anything out.
	Head bool
	// Policies are their names, in order.
	Policies []string
	// Services has each service that sent spans.
	Services map[string]*ServiceReport
}

// ServiceReport is what would have been kept of one service's spans.
type ServiceReport struct {
	// Received is all, and Kept what is forwarded of it: what head sampling and
	// all policies together keep.
	Received, Kept Amount
	// Head is what head sampling alone keeps.
	Head Amount
	// Policies is what each policy alone keeps, in the report's order.
	Policies []Amount
}

// Try replays the traces of a journal, from the oldest record to what is its
// end now, and reports what head sampling and the policies would have kept: each
// for itself, and all together. Time is that of the records. cfg must be enabled. Errors: ctx's
// and the journal's.
func Try(ctx context.Context, cfg Config, j journal.Journal) (report Report, err error) {
	t := newTrial(cfg)
	end := j.Stats().End
	if j.Stats().Oldest >= end {
		return t.report, nil
	}
	reader, err := j.Reader("")
	if err != nil {
		return t.report, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	for t.engine.next < end {
		records, err := reader.Next(ctx, batchBytes)
		if err != nil {
			return t.report, fmt.Errorf("replay: %w", err)
		}
		for i := range records {
			if err := t.take(&records[i]); err != nil {
				return t.report, fmt.Errorf("replay the record at %d: %w", records[i].Offset, err)
			}
		}
	}
	t.engine.advance(t.engine.now.Add(cfg.Tail.DecisionWait))
	return t.report, nil
}

// trial implements judged: it counts.
type trial struct {
	engine *engine
	// each has the judges of every policy alone, engine.bench those of all
	// together: a rate that one uses up is not used up for the other.
	each   *bench
	report Report
}

func newTrial(cfg Config) *trial {
	t := &trial{each: newBench(cfg.Tail.Policies), report: Report{Head: cfg.Head.Enabled(), Services: map[string]*ServiceReport{}}}
	for _, p := range cfg.Tail.Policies {
		t.report.Policies = append(t.report.Policies, p.label())
	}
	t.engine = newEngine(cfg, newBench(cfg.Tail.Policies), t, func() {})
	t.engine.trial = true
	return t
}

func (t *trial) take(r *journal.Record) error {
	if t.report.From.IsZero() {
		t.report.From = r.Time
	}
	t.report.To = r.Time
	return t.engine.take(r)
}

func (t *trial) decide(tr *trace, _ string, now time.Time) decision {
	v, _ := t.engine.bench.decide(tr, now)
	d := decision{verdict: v, sampled: tr.random >= tr.threshold}
	for i, j := range t.each.judges {
		if j.judge(tr, now).keep {
			d.policies |= 1 << i
		}
	}
	t.report.Traces++
	if d.keep {
		t.report.KeptTraces++
	}
	for _, p := range tr.portions {
		t.count(d, p)
	}
	return d
}

func (t *trial) late(_ wire.TraceID, d decision, _ journal.Offset, service uint32, s *wire.Span) {
	t.count(d, portion{service: service, spans: 1, bytes: int64(len(s.Raw))})
}

// sample has nothing to do: every trace is held.
func (t *trial) sample(wire.TraceID, verdict, journal.Offset) {}

func (t *trial) count(d decision, p portion) {
	name := t.engine.names[p.service]
	s := t.report.Services[name]
	if s == nil {
		s = &ServiceReport{Policies: make([]Amount, len(t.report.Policies))}
		t.report.Services[name] = s
	}
	s.Received.add(p.spans, p.bytes)
	if d.keep {
		s.Kept.add(p.spans, p.bytes)
	}
	if d.sampled {
		s.Head.add(p.spans, p.bytes)
	}
	for i := range s.Policies {
		if d.policies&(1<<i) != 0 {
			s.Policies[i].add(p.spans, p.bytes)
		}
	}
}

// WriteTable writes the report for people: a row for each service and one for
// all, a column for what was received, one for what is kept, and one for each
// of head sampling and the policies; in each, spans and bytes.
func (r Report) WriteTable(w io.Writer) error {
	var rows strings.Builder
	fmt.Fprintf(&rows, "%d of %d traces are kept, received from %s to %s\n\n",
		r.KeptTraces, r.Traces, r.From.UTC().Format(time.RFC3339), r.To.UTC().Format(time.RFC3339))
	columns := []string{"service", "received", "kept"}
	if r.Head {
		columns = append(columns, "head")
	}
	fmt.Fprintln(&rows, strings.Join(append(columns, r.Policies...), "\t"))
	all := ServiceReport{Policies: make([]Amount, len(r.Policies))}
	for _, name := range slices.Sorted(maps.Keys(r.Services)) {
		s := r.Services[name]
		rows.WriteString(s.row(name, r.Head))
		all.Received.add(s.Received.Spans, s.Received.Bytes)
		all.Kept.add(s.Kept.Spans, s.Kept.Bytes)
		all.Head.add(s.Head.Spans, s.Head.Bytes)
		for i, a := range s.Policies {
			all.Policies[i].add(a.Spans, a.Bytes)
		}
	}
	rows.WriteString(all.row("all", r.Head))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(table, rows.String()); err != nil {
		return err
	}
	return table.Flush()
}

func (s *ServiceReport) row(name string, head bool) string {
	cells := []string{name, s.Received.text(s.Received), s.Kept.text(s.Received)}
	if head {
		cells = append(cells, s.Head.text(s.Received))
	}
	for _, a := range s.Policies {
		cells = append(cells, a.text(s.Received))
	}
	return strings.Join(cells, "\t") + "\n"
}

// text is the amount and its part of all that was received.
func (a Amount) text(received Amount) string {
	part := 0.0
	if received.Spans > 0 {
		part = 100 * float64(a.Spans) / float64(received.Spans)
	}
	return fmt.Sprintf("%d spans %d bytes (%.1f%%)", a.Spans, a.Bytes, part)
}
