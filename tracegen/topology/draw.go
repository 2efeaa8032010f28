package topology

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Draw writes the topology as text: below each operation that a trace begins
// with, what it calls, and how.
func (t *Topology) Draw(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %s\n", t.Name, t.Description)
	total := 0.0
	for _, trace := range t.Traces {
		total += trace.Weight
	}
	drawn := map[*Operation]bool{}
	for _, trace := range t.Traces {
		if drawn[trace.Start] {
			continue
		}
		drawn[trace.Start] = true
		out.WriteByte('\n')
		for _, other := range t.Traces {
			if other.Start == trace.Start {
				fmt.Fprintf(&out, "%5.1f %%  %s%s\n", other.Weight/total*100, other.Name, other.differs())
			}
		}
		fmt.Fprintf(&out, "%s\n", trace.Start.title())
		drawSteps(&out, trace.Start.Steps, "")
		drawErrors(&out, trace.Start, "")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// differs says what sets a kind of trace apart.
func (t *Trace) differs() string {
	var parts []string
	for o, name := range t.Errors {
		parts = append(parts, fmt.Sprintf("%s fails with %s", o.Ref(), name))
	}
	for o, factor := range t.Slow {
		parts = append(parts, fmt.Sprintf("%s takes %g times as long", o.Ref(), factor))
	}
	for o := range t.Lost {
		parts = append(parts, o.Ref()+" never begins")
	}
	if len(parts) == 0 {
		return ""
	}
	slices.Sort(parts)
	return ": " + strings.Join(parts, ", ")
}

func (o *Operation) title() string {
	return fmt.Sprintf("%s: %s (%s)", o.Service.Name, o.Name, o.Kind)
}

func drawSteps(out *strings.Builder, steps []Step, indent string) {
	for i, step := range steps {
		for j, c := range step.Calls {
			branch, below := "├─ ", "│  "
			if i == len(steps)-1 && j == len(step.Calls)-1 {
				branch, below = "└─ ", "   "
			}
			fmt.Fprintf(out, "%s%s%s%s\n", indent, branch, c.To.title(), c.manner(step.Parallel))
			drawSteps(out, c.To.Steps, indent+below)
			drawErrors(out, c.To, indent+below)
		}
	}
}

func drawErrors(out *strings.Builder, o *Operation, indent string) {
	for _, e := range o.Errors {
		if len(e.Steps) > 0 {
			fmt.Fprintf(out, "%son %s:\n", indent, e.Name)
			drawSteps(out, e.Steps, indent)
		}
	}
}

// manner says how a call is made, where it is not simply made.
func (c *Call) manner(parallel bool) string {
	var parts []string
	if parallel {
		parts = append(parts, "in parallel")
	}
	if c.Async {
		parts = append(parts, "async")
	}
	if c.Probability < 1 {
		parts = append(parts, fmt.Sprintf("%.3g %%", c.Probability*100))
	}
	switch {
	case c.Least != c.Most:
		parts = append(parts, fmt.Sprintf("%d to %d times", c.Least, c.Most))
	case c.Most != 1:
		parts = append(parts, fmt.Sprintf("%d times", c.Most))
	}
	if c.Attempts > 1 {
		parts = append(parts, fmt.Sprintf("up to %d attempts", c.Attempts))
	}
	if c.Optional {
		parts = append(parts, "optional")
	}
	if len(parts) == 0 {
		return ""
	}
	return " [" + strings.Join(parts, ", ") + "]"
}
