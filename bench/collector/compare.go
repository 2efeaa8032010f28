package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// comparison puts subjects under the same loads by turns.
type comparison struct {
	subjects []subject
	rates    []float64 // spans a second; 0 is as fast as they are accepted
	rounds   int
	each     time.Duration
	columns  []column // beside those that all tables have
}

// column is a figure of a subject's results under one load.
type column struct {
	head  string
	value func([]result) string
}

// most is a column of the worst of all rounds.
func most(head string, figure func(result) int) column {
	return column{head, func(of []result) string {
		_, _, high := spread(of, func(r result) float64 { return float64(figure(r)) })
		return thousands(high)
	}}
}

// forwarding, deriving and sampling are what there is to know of each.
func forwarding() []column {
	return []column{
		{"context switches a request", func(of []result) string {
			_, mid, _ := spread(of, result.switchesEach)
			return thousands(mid)
		}},
		most("lost", func(r result) int { return r.lost }),
		most("duplicates", func(r result) int { return r.duplicates }),
	}
}

func deriving() []column {
	return []column{
		most("lost", func(r result) int { return r.lost }),
		most("series", func(r result) int { return r.derived.series }),
		most("wrong", func(r result) int { return r.derived.wrong }),
		most("edges", func(r result) int { return r.derived.edges }),
		most("wrong", func(r result) int { return r.derived.crooked }),
	}
}

func sampling() []column {
	return []column{
		{"wanted traces", func(of []result) string { return thousands(float64(sum(of).wanted)) }},
		{"missing", func(of []result) string { return thousands(float64(sum(of).missing)) }},
		{"in part", func(of []result) string { return thousands(float64(sum(of).broken)) }},
		{"others kept (z)", func(of []result) string { return sum(of).share() }},
		most("duplicates", func(r result) int { return r.duplicates }),
	}
}

// sum is over all rounds.
func sum(of []result) (all judgement) {
	for _, r := range of {
		j := r.judgement
		all.traces += j.traces
		all.wanted += j.wanted
		all.missing += j.missing
		all.broken += j.broken
		all.others += j.others
		all.kept += j.kept
	}
	return all
}

// run writes each result to progress as it comes, and the tables to out.
func (c comparison) run(ctx context.Context, b *bench, out, progress io.Writer) error {
	results := map[string][]result{} // by load and subject
	for round := range c.rounds {
		for _, rate := range c.rates {
			for i := range c.subjects {
				// Each round begins with another one.
				s := c.subjects[(i+round)%len(c.subjects)]
				r, err := b.measure(ctx, s, rate, c.each)
				if err != nil {
					return err
				}
				_, _ = fmt.Fprintf(progress, "round %d, %s, %s: %v\n", round+1, rateName(rate), s.name, r)
				key := rateName(rate) + s.name
				results[key] = append(results[key], r)
			}
		}
	}
	for _, rate := range c.rates {
		if _, err := io.WriteString(out, c.table(rate, results)); err != nil {
			return err
		}
	}
	return nil
}

func rateName(rate float64) string {
	if rate == 0 {
		return "as fast as accepted"
	}
	return fmt.Sprintf("%.0f spans a second", rate)
}

// table is Markdown: medians, and how many times the first subject's and the
// second's CPU time each needs.
func (c comparison) table(rate float64, results map[string][]result) string {
	var t strings.Builder
	fmt.Fprintf(&t, "\nMedians of %d rounds of %v each, %s:\n\n", c.rounds, c.each, rateName(rate))
	fmt.Fprint(&t, "| | CPU s per million spans |")
	for _, s := range c.subjects[:min(2, len(c.subjects))] {
		fmt.Fprintf(&t, " × %s |", s.name)
	}
	fmt.Fprint(&t, " peak RSS, MiB | accepted spans/s | delivered spans/s | p99, ms |")
	for _, column := range c.columns {
		fmt.Fprintf(&t, " %s |", column.head)
	}
	fmt.Fprint(&t, "\n|", strings.Repeat(" --- |", 6+len(c.columns)+min(2, len(c.subjects))), "\n")
	for _, s := range c.subjects {
		of := results[rateName(rate)+s.name]
		cpu := func(r result) float64 { return r.perMillion() }
		low, mid, high := spread(of, cpu)
		fmt.Fprintf(&t, "| %s: %s | %.2f (%.2f to %.2f) |", s.name, s.about, mid, low, high)
		for _, base := range c.subjects[:min(2, len(c.subjects))] {
			fmt.Fprintf(&t, " %.2f |", pairwise(of, results[rateName(rate)+base.name]))
		}
		_, _, peak := spread(of, func(r result) float64 { return float64(r.peak) / (1 << 20) })
		_, accepted, _ := spread(of, result.accepted)
		_, delivered, _ := spread(of, result.delivered)
		_, p99, _ := spread(of, func(r result) float64 { return r.p99.Seconds() * 1e3 })
		fmt.Fprintf(&t, " %.0f | %s | %s | %.1f |", peak, thousands(accepted), thousands(delivered), p99)
		for _, column := range c.columns {
			fmt.Fprintf(&t, " %s |", column.value(of))
		}
		fmt.Fprintln(&t)
	}
	return t.String()
}

// spread is the least, the median and the most of a figure.
func spread(of []result, figure func(result) float64) (low, mid, high float64) {
	values := make([]float64, len(of))
	for i, r := range of {
		values[i] = figure(r)
	}
	return slices.Min(values), median(values), slices.Max(values)
}

// pairwise is the median of the ratios of CPU time, round by round: the
// machine's speed drifts, and both had the same of it.
func pairwise(of, base []result) float64 {
	ratios := make([]float64, min(len(of), len(base)))
	for i := range ratios {
		ratios[i] = of[i].perMillion() / base[i].perMillion()
	}
	return median(ratios)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[mid-1] + sorted[mid]) / 2
	}
	return sorted[mid]
}

// thousands writes a number with commas.
func thousands(v float64) string {
	text := fmt.Sprintf("%.0f", v)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
