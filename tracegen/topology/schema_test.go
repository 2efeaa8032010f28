package topology

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
	if err := json.Unmarshal([]byte(Schema), &schema); err != nil {
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
