package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/waybill-dev/waybill/tracegen"
	"github.com/waybill-dev/waybill/tracegen/topology"
)

// sample is how many traces check makes to look at them.
const sample = 5000

// showTopology is the command topology, with a verb of its own.
func showTopology(_ context.Context, args []string, out, errs io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("topology: want list, show, check or schema\n%s", synopsis)
	}
	verb, args := args[0], args[1:]
	flags := newFlags("topology "+verb, errs)
	rate := flags.Float64("rate", 10, "check: how many traces a second to reckon with")
	svg := flags.String("svg", "", "check: draw the services into this SVG file, too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if verb == "list" && flags.NArg() == 0 {
		return listTopologies(out)
	}
	if verb == "schema" && flags.NArg() == 0 {
		_, err := io.WriteString(out, topology.Schema())
		return err
	}
	if flags.NArg() != 1 || verb != "show" && verb != "check" {
		return fmt.Errorf("topology %s: want list, schema, show NAME|FILE, or check NAME|FILE (flags first)", verb)
	}
	t, err := topology.Load(flags.Arg(0))
	if err != nil {
		return err
	}
	if verb == "show" {
		_, err := out.Write(t.Source)
		return err
	}
	return checkTopology(t, *rate, *svg, out)
}

func listTopologies(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, name := range topology.Names() {
		t, err := topology.Builtin(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%s\t%d services\t%s\n", name, len(t.Services), t.Description)
	}
	return table.Flush()
}

// checkTopology says what the traces of a topology are like, and draws it.
func checkTopology(t *topology.Topology, rate float64, svg string, out io.Writer) error {
	if svg != "" {
		if err := writeFile(svg, t.DrawSVG); err != nil {
			return err
		}
	}
	if err := t.Draw(out); err != nil {
		return err
	}
	fmt.Fprintln(out)
	survey := tracegen.NewSurvey(t, sample, 1)
	if err := survey.WriteTable(out); err != nil {
		return err
	}
	return writeRates(survey, rate, out)
}

// writeRates says how much a number of traces a second is, altogether and of
// each service, the busiest first.
func writeRates(survey tracegen.Survey, rate float64, out io.Writer) error {
	fmt.Fprintf(out, "at %g traces a second: %.0f spans and %.2f MiB a second\n\n", rate, rate*survey.Spans.Mean, rate*survey.Bytes.Mean/(1<<20))
	services := slices.SortedFunc(maps.Keys(survey.PerService), func(a, b string) int {
		return cmp.Or(cmp.Compare(survey.PerService[b], survey.PerService[a]), cmp.Compare(a, b))
	})
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "service\tspans a trace\tspans a second\t")
	for _, name := range services {
		fmt.Fprintf(table, "%s\t%.2f\t%.1f\t\n", name, survey.PerService[name], rate*survey.PerService[name])
	}
	return table.Flush()
}
