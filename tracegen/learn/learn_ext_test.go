package learn_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waybill-dev/waybill/tracegen/learn"
	"github.com/waybill-dev/waybill/tracegen/recording"
	"github.com/waybill-dev/waybill/tracegen/topology"
)

// TestLearntTracesCannotBeToldApart learns from half of some traces, and holds
// what the topology makes to the other half, which it has not seen.
func TestLearntTracesCannotBeToldApart(t *testing.T) {
	for name, original := range map[string]func(t *testing.T) *recording.Recording{
		// Orders of the demo's services, which are real: `demo -rate 12 -for 75s`
		// and `tracegen record`, ids renumbered, most attributes left out.
		"the demo's shop": func(t *testing.T) *recording.Recording {
			r := recording.New(0)
			if err := r.AddFile("testdata/shop.otlp.zst"); err != nil {
				t.Fatal(err)
			}
			return r
		},
		// The built-in shop has failures of nine kinds, and tails.
		"the built-in shop": func(t *testing.T) *recording.Recording {
			shop, err := topology.Builtin("shop")
			if err != nil {
				t.Fatal(err)
			}
			return generate(t, shop, 1600, 5)
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := original(t).Traces()
			seen, unseen := recording.New(0), []*recording.Trace(nil)
			for i, trace := range all {
				if i%2 == 0 {
					seen.Adopt(trace)
				} else {
					unseen = append(unseen, trace)
				}
			}
			result, err := learn.From(seen, learn.DefaultOptions())
			if err != nil || result.LeftOut > 0 || result.Kept != 1 {
				t.Fatalf("%d left out, %v kept, %v", result.LeftOut, result.Kept, err)
			}
			learnt, err := topology.Parse("learnt", result.YAML)
			if err != nil {
				t.Fatal(err)
			}
			made := look(generate(t, learnt, 1200, 7).Traces())
			for _, difference := range differences(len(seen.Traces()), made, look(unseen)) {
				t.Error(difference)
			}
		})
	}
}

// The tests that find no difference above find those that there are.
func TestOthersCanBeToldApart(t *testing.T) {
	shop, err := topology.Builtin("shop")
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(shop.Source), "weight: 6,", "weight: 16,", 1) // of the orders that are declined
	other = strings.Replace(other, "median: 60ms", "median: 75ms", 1)             // of the payment provider
	other = strings.Replace(other, "- INSERT sagas", "- {to: INSERT sagas, count: [1, 2]}", 1)
	changed, err := topology.Parse("changed", []byte(other))
	if err != nil {
		t.Fatal(err)
	}
	found := strings.Join(differences(1000, look(generate(t, changed, 700, 7).Traces()), look(generate(t, shop, 700, 8).Traces())), "\n")
	for _, want := range []string{"shapes differ", "fan-outs differ", "latencies of psp POST /charges"} {
		if !strings.Contains(found, want) {
			t.Errorf("no %q among the differences:\n%s", want, found)
		}
	}
}

// differences are by what the two can be told apart.
func differences(learnt int, made, others sample) (found []string) {
	// What is made has its own chance, and that of what it was learnt from.
	worth := 1 / (1/float64(learnt) + 1/float64(made.traces))
	if z := homogeneous(made.shapes, worth, others.shapes); z > 3.1 {
		found = append(found, fmt.Sprintf("shapes differ by %.1f standard deviations: %d made, %d recorded", z, len(made.shapes), len(others.shapes)))
	}
	if z := homogeneous(made.fanOuts, worth, others.fanOuts); z > 3.1 {
		found = append(found, fmt.Sprintf("fan-outs differ by %.1f standard deviations", z))
	}
	compared := 0
	for operation, b := range others.took {
		if len(b) < 30 {
			continue
		}
		compared++
		a, seen := made.took[operation], float64(len(b))/float64(others.traces)*float64(learnt)
		if d, limit := distance(a, b), critical(max(int(seen), 1), max(len(a), 1), len(b)); d > limit {
			found = append(found, fmt.Sprintf("latencies of %s are %.3f apart, want %.3f at most", operation, d, limit))
		}
	}
	if compared < 20 {
		found = append(found, fmt.Sprintf("latencies of %d operations only were compared", compared))
	}
	return found
}
