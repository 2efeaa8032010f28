// Package page writes what a run of tracegen has come to as one HTML file with
// charts. It loads nothing and runs no script, so that it can be kept, sent,
// and opened without a network.
package page

import (
	_ "embed" // the template
	"fmt"
	"html/template"
	"io"
	"strconv"
	"time"

	"github.com/waybill-dev/waybill/tracegen"
	"github.com/waybill-dev/waybill/tracegen/verify"
)

//go:embed page.html
var source string

// run is what the template shows.
type run struct {
	tracegen.Record
	// Verified is nil where nobody was asked.
	Verified *verify.Result
	Charts   []chart
}

// Write writes the page of a run. Verified is what verify found; nil where it
// was not asked.
func Write(w io.Writer, record tracegen.Record, verified *verify.Result) error {
	parsed, err := template.New("page").Funcs(template.FuncMap{
		"number": number, "bytes": bytes, "seconds": seconds, "rate": rate, "share": share, "long": long,
	}).Parse(source)
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return parsed.Execute(w, run{record, verified, charts(record)})
}

// Rows are the amounts of the table.
func (r run) Rows() []row {
	return []row{{"made", r.Made}, {"acknowledged", r.Acknowledged}, {"rejected", r.Rejected}, {"failed", r.Failed}}
}

type row struct {
	Name string
	tracegen.Amount
}

// Others are what is not spans.
func (r run) Others() []others {
	return []others{{"log records", r.Logs}, {"metric points", r.Points}}
}

type others struct {
	Name string
	tracegen.Tally
}

// Load says in words what was asked for.
func (r run) Load() string {
	switch {
	case r.Speed > 0:
		return fmt.Sprintf("%s recorded traces, %d times each, %s times as fast as recorded", long(uint64(r.Recorded)), r.Copies, number(r.Speed))
	case r.InFlight > 0:
		return fmt.Sprintf("%d requests in flight (closed loop)", r.InFlight)
	case r.Rate == 0:
		return "as fast as acknowledged"
	}
	text := number(r.Rate) + " " + string(r.Unit) + "/s"
	if r.Pace != "" {
		text += ", " + r.Pace
	}
	if r.Poisson {
		text += ", Poisson arrivals"
	}
	return text
}

// charts are of the timeline; a run without one has none.
func charts(r tracegen.Record) []chart {
	if len(r.Timeline) == 0 {
		return nil
	}
	var made, acknowledged, lost, due, p50, p99, most, late line
	made, acknowledged = line{Name: "made", Class: "a"}, line{Name: "acknowledged", Class: "b"}
	lost, due = line{Name: "rejected or failed", Class: "bad"}, line{Name: "due", Class: "faint"}
	p50, p99, most = line{Name: "p50", Class: "b"}, line{Name: "p99", Class: "a"}, line{Name: "most", Class: "bad"}
	late = line{Name: "sent late by (p99)", Class: "faint"}
	before := 0.0
	for _, m := range r.Timeline {
		took := max(m.Until-before, tooSmall)
		add := func(l *line, y float64) { l.points = append(l.points, point{m.Until, y}) }
		add(&made, float64(m.Made.Spans)/took)
		add(&acknowledged, float64(m.Acknowledged.Spans)/took)
		add(&lost, float64(m.Rejected.Spans+m.Failed.Spans)/took)
		if r.Unit == tracegen.Spans && r.Rate > 0 {
			add(&due, m.Due/took)
		}
		if m.Latency.Max > 0 {
			add(&p50, m.Latency.P50)
			add(&p99, m.Latency.P99)
			add(&most, m.Latency.Max)
		}
		if m.Late.Max > 0 {
			add(&late, m.Late.P99)
		}
		before = m.Until
	}
	var out []chart
	if lines := drawn(due, made, acknowledged, lost); len(lines) > 0 {
		out = append(out, chart{Title: "Spans a second", Lines: lines, x: second, y: number})
	}
	if lines := drawn(late, p50, p99, most); len(lines) > 0 {
		out = append(out, chart{
			Title: "Latency", Note: "from when a request was due to its answer; logarithmic", Lines: lines,
			x: second, y: seconds, logarithmic: true,
		})
	}
	curve := line{Name: "latency", Class: "b"}
	var names []string
	for i, p := range r.Percentiles {
		curve.points = append(curve.points, point{float64(i), p.Seconds})
		names = append(names, strconv.FormatFloat(p.P, 'g', -1, 64))
	}
	if len(curve.points) > 0 {
		out = append(out, chart{
			Title: "Latency by percentile", Note: "of the whole run; logarithmic", Lines: []line{curve}, names: names,
			x: func(x float64) string { return fmt.Sprint(x) }, y: seconds, logarithmic: true,
		})
	}
	return out
}

// drawn leaves out lines that have no points, or nothing but 0.
func drawn(lines ...line) []line {
	var out []line
	for _, l := range lines {
		for _, p := range l.points {
			if p.y > 0 {
				out = append(out, l)
				break
			}
		}
	}
	return out
}

func second(s float64) string { return fmt.Sprintf("%.4gs", s) }

// number is short: 1.2k, 3.4M.
func number(v float64) string {
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'g', 4, 64) + "M"
	case v >= 1e4:
		return strconv.FormatFloat(v/1e3, 'g', 4, 64) + "k"
	default:
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
}

// long is a number with a gap at each three digits.
func long(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "\u202f" + text[at:]
	}
	return text
}

func bytes(n uint64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// seconds is a duration that is given in seconds, with three digits.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	for unit := time.Duration(1); unit < time.Minute; unit *= 10 {
		if d < 1000*unit {
			return d.Round(max(unit, 1)).String()
		}
	}
	return d.Round(time.Second).String()
}

func rate(n uint64, elapsed float64) string { return number(float64(n) / max(elapsed, tooSmall)) }

func share(part, whole uint64) string {
	return fmt.Sprintf("%.4g %%", 100*float64(part)/float64(max(whole, 1)))
}
