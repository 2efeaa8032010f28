package tracegen

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/waybill-dev/waybill/tracegen/topology"
)

// Survey is what a sample of a topology's traces is like.
type Survey struct {
	Traces int
	// Spans, Depth, Services, FanOut and Bytes are of each trace, but for
	// FanOut, which is of each operation that calls another: how often it
	// does. Depth counts spans from the root down, which is 1; services are
	// those that have a span.
	Spans, Depth, Services, FanOut, Bytes Spread
	// Duration is from a trace's first start to its last end, in nanoseconds.
	Duration Spread
	// Failed is the share of traces in which a span has the status Error.
	Failed float64
	// Shared is the share of traces that have the shape of another of the
	// sample: the same operations below the same operations, in any number of
	// repetitions.
	Shared float64
	// Repeated is the share of what callers call that they call more than
	// once.
	Repeated float64
	// Logs is how many log records a trace has, on average, and Series how many
	// series of metrics there are altogether.
	Logs   float64
	Series int
	// PerService is how many spans a service has in each trace, on average.
	PerService map[string]float64
}

// Spread is how a number is distributed.
type Spread struct {
	Mean               float64
	P25, P50, P90, P99 float64
	Max                float64
}

func newSpread(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	slices.Sort(values)
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	at := func(q float64) float64 { return values[int(q*float64(len(values)-1))] }
	return Spread{sum / float64(len(values)), at(0.25), at(0.5), at(0.9), at(0.99), values[len(values)-1]}
}

// NewSurvey makes n traces of a topology and looks at them. Nothing is sent.
func NewSurvey(t *topology.Topology, n int, seed uint64) Survey {
	s := surveyor{names: t, encoder: newEncoder(newProgram(t)), services: make([]uint64, len(t.Services)), shapes: map[string]int{}}
	for i := range n {
		s.look(seed, uint64(i))
	}
	out := s.survey(n)
	_, records := s.encoder.encodeLogs(seed, Range{0, uint64(n)}, time.Unix(1<<30, 0))
	out.Logs = float64(records) / float64(n)
	for _, service := range t.Services {
		for _, metric := range service.Metrics {
			out.Series += service.Instances * len(metric.Series)
		}
	}
	return out
}

// surveyor looks at one trace after the other.
type surveyor struct {
	names    *topology.Topology
	encoder  *encoder
	services []uint64 // spans of each
	shapes   map[string]int

	spans, depths, met, fans, bytes, durations []float64
	failed, repeated, edges                    int
}

func (s *surveyor) look(seed, i uint64) {
	b := s.encoder.encode(seed, order{first: i, n: 1}, time.Unix(1<<30, 0))
	t := s.encoder.trace
	depth, met, failed := make([]int, len(t.spans)), map[int]bool{}, false
	deepest := 0
	for i := range t.spans {
		span := &t.spans[i]
		depth[i] = 1
		if !span.template.root {
			depth[i] = depth[span.parent] + 1
		}
		deepest = max(deepest, depth[i])
		met[span.template.service] = true
		s.services[span.template.service]++
		failed = failed || span.template.failed
	}
	if failed {
		s.failed++
	}
	s.spans = append(s.spans, float64(len(t.spans)))
	s.depths = append(s.depths, float64(deepest))
	s.met = append(s.met, float64(len(met)))
	s.bytes = append(s.bytes, float64(b.size()))
	s.durations = append(s.durations, float64(t.end))
	s.shapes[s.shape(t)]++
}

// shape writes down which operations a trace has below which, and counts
// calls on the way. A caller's span and that of the operation it calls are one
// call.
func (s *surveyor) shape(t *trace) string {
	type edge struct {
		from, service int
		name          string
	}
	calls, edges := map[int]int{}, map[edge]int{}
	lines := map[string]bool{}
	for i := range t.spans {
		span := &t.spans[i]
		if span.template.root {
			lines[span.template.name] = true
			continue
		}
		from := span.parent
		above := t.spans[from].template
		if above.near {
			continue // It has been counted with its caller's span.
		}
		calls[from]++
		edges[edge{from, span.template.service, span.template.name}]++
		lines[fmt.Sprintf("%d %s>%s", above.service, above.name, span.template.name)] = true
	}
	for _, n := range calls {
		s.fans = append(s.fans, float64(n))
	}
	s.edges += len(edges)
	for _, n := range edges {
		if n > 1 {
			s.repeated++
		}
	}
	keys := make([]string, 0, len(lines))
	for line := range lines {
		keys = append(keys, line)
	}
	slices.Sort(keys)
	return strings.Join(keys, "\n")
}

func (s *surveyor) survey(n int) Survey {
	out := Survey{
		Traces: n, Spans: newSpread(s.spans), Depth: newSpread(s.depths), Services: newSpread(s.met), FanOut: newSpread(s.fans),
		Bytes: newSpread(s.bytes), Duration: newSpread(s.durations), Failed: float64(s.failed) / float64(n),
		Repeated: float64(s.repeated) / float64(max(s.edges, 1)), PerService: map[string]float64{},
	}
	for _, times := range s.shapes {
		if times > 1 {
			out.Shared += float64(times) / float64(n)
		}
	}
	for i, spans := range s.services {
		out.PerService[s.names.Services[i].Name] = float64(spans) / float64(n)
	}
	return out
}

// WriteTable writes the survey for a person.
func (s Survey) WriteTable(w io.Writer) error {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...any) { _, _ = fmt.Fprintf(table, strings.Repeat("%v\t", len(cells))+"\n", cells...) }
	row(fmt.Sprintf("%d traces", s.Traces), "mean", "p25", "p50", "p90", "p99", "max")
	number := func(v float64) any { return fmt.Sprintf("%.4g", v) }
	for _, line := range []struct {
		name  string
		of    Spread
		write func(float64) any
	}{
		{"spans", s.Spans, number},
		{"depth", s.Depth, number},
		{"services", s.Services, number},
		{"calls of a caller", s.FanOut, number},
		{"bytes", s.Bytes, func(v float64) any { return fmt.Sprintf("%.0f", v) }},
		{"duration", s.Duration, func(v float64) any { return rounded(time.Duration(v)) }},
	} {
		of := line.of
		row(line.name, line.write(of.Mean), line.write(of.P25), line.write(of.P50), line.write(of.P90), line.write(of.P99), line.write(of.Max))
	}
	_ = table.Flush() // A strings.Builder takes everything.
	fmt.Fprintf(&text, "\n%.1f %% of the traces have an error; %.1f %% share their shape; %.1f %% of what is called is called again\n",
		s.Failed*100, s.Shared*100, s.Repeated*100)
	if s.Logs > 0 || s.Series > 0 {
		fmt.Fprintf(&text, "%.4g log records a trace; %d series of metrics\n", s.Logs, s.Series)
	}
	_, err := io.WriteString(w, text.String())
	return err
}
