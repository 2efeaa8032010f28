package topology

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// properties are the keys that a part of the schema has.
type properties struct {
	Properties map[string]json.RawMessage `json:"properties"`
	OneOf      []properties               `json:"oneOf"`
}

func (p properties) keys() []string {
	for _, o := range p.OneOf {
		if len(o.Properties) > 0 {
			return o.keys()
		}
	}
	return slices.Sorted(maps.Keys(p.Properties))
}

// The schema has exactly the keys that are read: each part is given a key that
// nobody knows, and the error tells those that are known.
func TestSchemaHasTheKeysThatAreRead(t *testing.T) {
	var schema struct {
		properties
		Defs map[string]properties `json:"$defs"`
	}
	if err := json.Unmarshal([]byte(Schema()), &schema); err != nil {
		t.Fatal(err)
	}
	operation := func(inside string) string {
		return "services: {a: {operations: {x: {" + inside + "}}}}"
	}
	for name, yaml := range map[string]string{
		"":             "nobody: 1",
		"service":      "services: {a: {nobody: 1}}",
		"operation":    operation("nobody: 1"),
		"client":       operation("client: {nobody: 1}"),
		"event":        operation("events: [{nobody: 1}]"),
		"log":          operation("logs: [{nobody: 1}]"),
		"metric":       "services: {a: {metrics: {m: {nobody: 1}}}}",
		"error":        operation("errors: {e: {nobody: 1}}"),
		"call":         operation("calls: [{nobody: 1}]"),
		"value":        operation("attributes: {k: {nobody: 1}}"),
		"distribution": operation("latency: {nobody: 1}"),
		"trace":        "traces: [{nobody: 1}]",
	} {
		_, err := Parse("t.yaml", []byte(yaml))
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		known := regexp.MustCompile(`unknown key "nobody"; known are (.*)`).FindStringSubmatch(err.Error())
		if known == nil {
			t.Fatalf("%s: error = %v", name, err)
		}
		read := strings.Split(known[1], ", ")
		slices.Sort(read)
		part := schema.properties
		if name != "" {
			part = schema.Defs[name]
		}
		if diff := cmp.Diff(read, part.keys()); diff != "" {
			t.Errorf("%q (-read +schema):\n%s", name, diff)
		}
	}
}

// An editor that has the schema takes what Parse takes, and marks what is
// wrong in a place of its own.
func TestSchemaTakesWhatIsRead(t *testing.T) {
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("topology.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("topology.json")
	if err != nil {
		t.Fatal(err)
	}
	validate := func(source []byte) error {
		var read any
		if err := yaml.Unmarshal(source, &read); err != nil {
			t.Fatal(err)
		}
		encoded, err := json.Marshal(read)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
		if err != nil {
			t.Fatal(err)
		}
		return compiled.Validate(value)
	}
	for _, name := range Names() {
		built, err := Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(built.Source); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, wrong := range []string{
		"rate: -0.1", "rate: often", "knd: server", "latency: -3ms", "latency: {constant: 1s, maxx: 2s}",
		"kind: external", "calls: [{to: z, count: 1000000}]", "attributes: {u: {pattern: 'u-{x}'}}", "attributes: {u: [1]}",
		"logs: [{body: b, severity: loud}]", "logs: [{severity: info}]",
	} {
		inside := wrong
		if strings.HasPrefix(wrong, "rate") {
			inside = "errors: {e: {" + wrong + "}}"
		}
		source := "services: {a: {operations: {x: {" + inside + "}, z: {}}}}\ntraces: [{start: a/x}]"
		if validate([]byte(source)) == nil {
			t.Errorf("the schema takes %s", wrong)
		}
		if _, err := Parse("t.yaml", []byte(source)); err == nil {
			t.Errorf("Parse takes %s", wrong)
		}
	}
}
