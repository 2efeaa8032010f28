package topology

import (
	"strings"
	"testing"
)

// head is a topology but for its traces: lines 1 to 10.
const head = `name: test
services:
  a:
    operations:
      x: {calls: [b/y]}
      z: {kind: internal}
  b:
    operations:
      y: {errors: {broken: {rate: 0.1}}}
traces: [{start: a/x}]
`

func TestBadTopologiesNameLineAndReason(t *testing.T) {
	replace := func(old, with string) string {
		if !strings.Contains(head, old) {
			t.Fatalf("no %q to replace", old)
		}
		return strings.Replace(head, old, with, 1)
	}
	for name, test := range map[string]struct{ yaml, want string }{
		"empty":              {"", "t.yaml:1: the topology is empty"},
		"not YAML":           {"a: [", "t.yaml: yaml:"},
		"a list":             {"[]", "t.yaml:1: topology: want a mapping"},
		"no traces":          {"services: {}", "t.yaml:1: traces: none is given"},
		"unknown key":        {replace("kind: internal", "knd: internal"), `t.yaml:6: a/z: unknown key "knd"; known are name, kind, latency`},
		"key twice":          {replace("z:", "x:"), `t.yaml:6: service a: operations: the key "x" is there twice`},
		"cycle":              {replace("{errors", "{calls: [a/x], errors"), "t.yaml:5: a cycle: a/x calls b/y calls a/x"},
		"calls itself":       {replace("kind: internal", "calls: [z]"), "t.yaml:6: a cycle: a/z calls a/z"},
		"unknown service":    {replace("[b/y]", "[c/y]"), `t.yaml:5: "c/y" is no operation of this service, and no service/operation: services are a, b`},
		"unknown operation":  {replace("[b/y]", "[b/q]"), `t.yaml:5: service b has no operation "q"`},
		"unknown start":      {replace("a/x}]", "a/q}]"), `t.yaml:10: service a has no operation "q"`},
		"no start":           {replace("{start: a/x}", "{name: n}"), "t.yaml:10: trace: start is missing"},
		"negative rate":      {replace("rate: 0.1", "rate: -0.1"), "t.yaml:9: b/y: error broken: rate: -0.1: want a number from 0 to 1"},
		"rate is a word":     {replace("rate: 0.1", "rate: often"), "t.yaml:9: b/y: error broken: rate: often: want a number"},
		"negative weight":    {replace("a/x}", "a/x, weight: -1}"), "t.yaml:10: trace: weight: -1: want"},
		"no weight":          {replace("a/x}", "a/x, weight: 0}"), "t.yaml:10: traces: the weights are nothing together"},
		"a million children": {replace("[b/y]", "[{to: b/y, count: 1000000}]"), "t.yaml:5: a/x: calls: count: 1000000: want a whole number from 0 to 10000"},
		"more spans than bearable": {
			strings.Replace(replace("[b/y]", "[{to: z, count: 10000}]"), "kind: internal", "calls: [{to: b/y, count: 100}]", 1),
			"t.yaml:10: trace from a/x may have 2010001 spans: want 200000 at most",
		},
		"negative latency": {replace("kind: internal", "latency: -3ms"), `t.yaml:6: a/z: latency: "-3ms": want a duration`},
		"two latencies":    {replace("kind: internal", "latency: {constant: 1s, pareto: {min: 1s, alpha: 2}}"), "t.yaml:6: a/z: latency: want one of"},
		"percentiles":      {replace("kind: internal", "latency: {percentiles: {p50: 2s, p99: 1s}}"), "t.yaml:6: a/z: latency: percentiles: p99 is below p50"},
		"lognormal":        {replace("kind: internal", "latency: {lognormal: {median: 2s, p99: 1s}}"), "t.yaml:6: a/z: latency: lognormal: want a median"},
		"mixture":          {replace("kind: internal", "latency: {mixture: []}"), "t.yaml:6: a/z: latency: mixture: the weights"},
		"kind":             {replace("internal", "external"), `t.yaml:6: a/z: kind "external": want internal, server`},
		"cardinality":      {replace("kind: internal", "attributes: {u: {pattern: 'u-{n}'}}"), "t.yaml:6: a/z: attributes: u: a pattern with {n} needs its cardinality"},
		"pattern":          {replace("kind: internal", "attributes: {u: {pattern: 'u-{x}'}}"), `t.yaml:6: a/z: attributes: u: pattern "u-{x}"`},
		"bounds":           {replace("kind: internal", "attributes: {u: {int: [3, 1]}}"), "t.yaml:6: a/z: attributes: u: int: the least is more"},
		"list as value":    {replace("kind: internal", "attributes: {u: [1]}"), "t.yaml:6: a/z: attributes: u: want a mapping"},
		"event too late":   {replace("kind: internal", "events: [{name: e, after: 1}]"), "t.yaml:6: a/z: event e: after 1 calls: there are 0"},
		"log too late":     {replace("kind: internal", "logs: [{body: b, after: 1}]"), `t.yaml:6: a/z: log "b": after 1 calls: there are 0`},
		"log without body": {replace("kind: internal", "logs: [{severity: info}]"), "t.yaml:6: a/z: log: the body is missing"},
		"severity":         {replace("kind: internal", "logs: [{body: b, severity: loud}]"), `t.yaml:6: a/z: log: severity "loud"`},
		"metric type":      {replace("  b:\n", "  b:\n    metrics: {m: {type: summary}}\n"), `t.yaml:8: service b: metric m: type "summary": want counter`},
		"no metric type":   {replace("  b:\n", "  b:\n    metrics: {m: {unit: s}}\n"), "t.yaml:8: service b: metric m: the type is missing"},
		"a gauge's bounds": {replace("  b:\n", "  b:\n    metrics: {m: {type: gauge}}\n"), "t.yaml:8: service b: metric m: a gauge needs between"},
		"bad bounds":       {replace("  b:\n", "  b:\n    metrics: {m: {type: gauge, between: [2, 1]}}\n"), "t.yaml:8: service b: metric m: between: the least"},
		"endless series":   {replace("  b:\n", "  b:\n    metrics: {m: {type: counter, attributes: {u: {pattern: '{id}'}}}}\n"), "t.yaml:8: service b: metric m: u: want a constant"},
		"a million series": {
			replace("  b:\n", "  b:\n    metrics: {m: {type: counter, attributes: {u: {pattern: '{n}', cardinality: 1000}, v: {pattern: '{n}', cardinality: 1000}}}}\n"),
			"t.yaml:8: service b: metric m: more than 10000 series",
		},
		"forced error":     {replace("a/x}", "a/x, errors: {b/y: lost}}"), `t.yaml:10: b/y has no error "lost"`},
		"after, not async": {replace("[b/y]", "[{to: b/y, after: 1s}]"), "t.yaml:5: a/x: calls: after is for async calls"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("t.yaml", []byte(test.yaml))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error = %v\nwant %s", err, test.want)
			}
		})
	}
	if _, err := Parse("t.yaml", []byte(head)); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestAllErrorsAreToldAtOnce(t *testing.T) {
	_, err := Parse("t.yaml", []byte(strings.NewReplacer("rate: 0.1", "rate: 2", "internal", "odd", "a/x}", "c/x}").Replace(head)))
	for _, want := range []string{"t.yaml:9:", "t.yaml:6:", "t.yaml:10:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v\nwant one of %s", err, want)
		}
	}
}

func TestMergedKeysGiveWay(t *testing.T) {
	parsed, err := Parse("t.yaml", []byte(`
definitions: {base: &base {k: 1, l: 2}}
services: {a: {operations: {x: {attributes: {<<: *base, k: 3}}}}}
traces: [{start: a/x}]
`))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	for _, a := range parsed.Find("a/x").Attributes {
		got[a.Key] = a.Value.Constant
	}
	if len(got) != 2 || got["k"] != int64(3) || got["l"] != int64(2) {
		t.Errorf("attributes = %v", got)
	}
}

func TestBuiltinsAreGood(t *testing.T) {
	for _, name := range Names() {
		built, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if err := built.Draw(&text); err != nil || !strings.HasPrefix(text.String(), name+": ") {
			t.Errorf("%s is drawn as\n%s", name, &text)
		}
	}
	if _, err := Load("nowhere.yaml"); err == nil || !strings.Contains(err.Error(), "shop") {
		t.Errorf("error = %v; want it to name those that are built in", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(head))
	f.Add(shop)
	f.Fuzz(func(t *testing.T, data []byte) {
		if parsed, err := Parse("f.yaml", data); err == nil && len(parsed.Traces) == 0 {
			t.Error("a topology without traces is taken")
		}
	})
}
