package learn_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/waybill-dev/waybill/tracegen"
	"github.com/waybill-dev/waybill/tracegen/recording"
	"github.com/waybill-dev/waybill/tracegen/topology"
)

// generate has tracegen send traces of a topology, and records them.
func generate(t *testing.T, of *topology.Topology, traces, seed uint64) *recording.Recording {
	t.Helper()
	r := recording.New(0)
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if err := r.Add(body); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	cfg := tracegen.DefaultConfig()
	cfg.Endpoint, cfg.Topology, cfg.Seed, cfg.Rate, cfg.Duration, cfg.Traces = server.URL, of, seed, 0, 0, traces
	if report, err := tracegen.Run(t.Context(), cfg, nil); err != nil || !report.Complete() {
		t.Fatalf("report = %+v, %v", report, err)
	}
	return r
}

// sample is what a test knows of recorded traces: how often each shape came, and
// each fan-out of whole traces, which do not depend on one another, and how long spans took, by operation.
type sample struct {
	traces  int
	shapes  map[string]int
	fanOuts map[string]int
	took    map[string][]float64
}

// look looks at traces by code of its own, that knows nothing of learning.
func look(traces []*recording.Trace) sample {
	s := sample{len(traces), map[string]int{}, map[string]int{}, map[string][]float64{}}
	for _, t := range traces {
		children := map[uint64][]recording.Span{}
		for _, span := range t.Spans {
			children[span.Parent()] = append(children[span.Parent()], span)
		}
		calls, callers, widest := 0, 0, 0
		// A shape is the tree, with what is below each span in no order.
		var shape func(span recording.Span) string
		shape = func(span recording.Span) string {
			operation := fmt.Sprintf("%s %s %d %d", span.Service(), span.GetName(), span.GetKind(), span.GetStatus().GetCode())
			var below []string
			for _, c := range children[span.ID()] {
				below = append(below, shape(c))
			}
			slices.Sort(below)
			s.took[operation] = append(s.took[operation], float64(span.GetEndTimeUnixNano()-span.GetStartTimeUnixNano()))
			if n := len(below); n > 0 {
				calls, callers, widest = calls+n, callers+1, max(widest, n)
			}
			return operation + " (" + strings.Join(below, ", ") + ")"
		}
		for _, root := range children[0] {
			s.shapes[shape(root)]++
		}
		s.fanOuts[fmt.Sprintf("%d calls of %d callers, %d at most", calls, callers, widest)]++
	}
	return s
}

// homogeneous is the chi-square test that two counts are of the same
// distribution: its statistic as a number of standard deviations (Wilson and
// Hilferty). The first is worth a sample of so many. What is rare is counted
// together, so that the test is exact enough.
func homogeneous(a map[string]int, worth float64, b map[string]int) float64 {
	sum := func(counts map[string]int) (total float64) {
		for _, n := range counts {
			total += float64(n)
		}
		return total
	}
	scale, na, nb := worth/sum(a), worth, sum(b)
	cells := map[string]bool{}
	for _, counts := range []map[string]int{a, b} {
		for key := range counts {
			cells[key] = true
		}
	}
	statistic, classes := 0.0, 0
	count := func(x, y float64) {
		ea, eb := (x+y)*na/(na+nb), (x+y)*nb/(na+nb)
		statistic += (x-ea)*(x-ea)/ea + (y-eb)*(y-eb)/eb
		classes++
	}
	rareA, rareB := 0.0, 0.0
	for key := range cells {
		x, y := float64(a[key])*scale, float64(b[key])
		if (x+y)*min(na, nb)/(na+nb) < 5 {
			rareA, rareB = rareA+x, rareB+y
			continue
		}
		count(x, y)
	}
	if rareA+rareB > 0 {
		count(rareA, rareB)
	}
	if classes < 2 {
		return 0
	}
	k := float64(classes - 1)
	return (math.Cbrt(statistic/k) - (1 - 2/(9*k))) / math.Sqrt(2/(9*k))
}

// distance is Kolmogorov's and Smirnov's: the largest difference between the
// distributions of two samples.
func distance(a, b []float64) float64 {
	slices.Sort(a)
	slices.Sort(b)
	worst, i, j := 0.0, 0, 0
	for i < len(a) && j < len(b) {
		at := min(a[i], b[j])
		for i < len(a) && a[i] <= at {
			i++
		}
		for j < len(b) && b[j] <= at {
			j++
		}
		worst = max(worst, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}
	return worst
}

// critical is the distance that two samples of one distribution have once in a
// thousand pairs. A third sample, from which one of them was learnt, adds its
// own chance.
func critical(learnt, made, others int) float64 {
	return 1.95 * math.Sqrt(1/float64(learnt)+1/float64(made)+1/float64(others))
}
