package contract

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/waybill-dev/waybill/demo-services/inventory"
	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/payment"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/user"
)

// schemas reads the events' schemas in dir, by type and version:
// "order.created.v1".
func schemas(t *testing.T, dir string) map[string]map[string]any {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d schemas in %s, %v", len(files), dir, err)
	}
	all := map[string]map[string]any{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		schema, ok := doc.(map[string]any)
		if !ok {
			t.Fatalf("%s is no object", file)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = schema
	}
	return all
}

// compiled is the schema ready to validate events; formats are asserted.
func compiled(t *testing.T, name string, schema map[string]any) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(name, schema); err != nil {
		t.Fatal(err)
	}
	s, err := compiler.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// examples are the events that stand in the schema.
func examples(t *testing.T, schema map[string]any) [][]byte {
	t.Helper()
	list, _ := schema["examples"].([]any)
	if len(list) == 0 {
		t.Errorf("%v has no examples", schema["title"])
	}
	var all [][]byte
	for _, example := range list {
		raw, err := json.Marshal(example)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, raw)
	}
	return all
}

// valid says what is wrong with an event by its schema.
func valid(schema *jsonschema.Schema, event []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(event))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

func TestEventsBreakNobody(t *testing.T) {
	now := schemas(t, "schema")
	for name, released := range schemas(t, "baseline/schema") {
		schema, there := now[name]
		if !there {
			t.Errorf("since the last release: %s is gone", name)
			continue
		}
		for _, broken := range SchemaBreaks(released, schema) {
			t.Errorf("since the last release: %s: %s", name, broken)
		}
		// Events of before are still on the bus.
		validator := compiled(t, name, schema)
		for _, event := range examples(t, released) {
			if err := valid(validator, event); err != nil {
				t.Errorf("an event of the last release is not valid any more: %s\n%v", event, err)
			}
		}
	}
}

func TestExamplesAreValid(t *testing.T) {
	for name, schema := range schemas(t, "schema") {
		validator := compiled(t, name, schema)
		for _, example := range examples(t, schema) {
			if err := valid(validator, example); err != nil {
				t.Errorf("%s\n%v", example, err)
			}
			var e platform.Event
			if err := json.Unmarshal(example, &e); err != nil || e.ID == "" || e.Time.IsZero() || e.Version != 1 || len(e.Data) == 0 {
				t.Errorf("%s is decoded as %+v, %v", example, e, err)
			}
			if subject, err := platform.SubjectOf(e.Type); err != nil || subject == "" || name != e.Type+".v1" {
				t.Errorf("%s has an event of type %q: %v", name, e.Type, err)
			}
		}
	}
}

func TestEachBreakOfASchemaIsFound(t *testing.T) {
	const before = `{"type":"object","required":["id"],"description":"A bill.","properties":{
		"id":{"type":"string","minLength":1},"note":{"type":"string"},"state":{"enum":["paid","void"]},
		"lines":{"type":"array","items":{"type":"object","required":["n"],"properties":{"n":{"type":"integer"}}}}}}`
	for _, c := range []struct {
		name, old, now string
		want           string
	}{
		{"nothing", "", "", ""},
		{"other words", "A bill.", "What somebody pays.", ""},
		{"property added", `"note":{`, `"tip":{"type":"integer"},"note":{`, ""},
		{"property added in an item", `"n":{`, `"tip":{"type":"integer"},"n":{`, ""},
		{"property removed", `"note":{"type":"string"},`, ``, "/properties/note is gone"},
		{"property removed in an item", `{"n":{"type":"integer"}}`, `{}`, "/properties/lines/items/properties/n is gone"},
		{"property renamed", `"note"`, `"remark"`, "/properties/note is gone"},
		{"type", `"note":{"type":"string"}`, `"note":{"type":"integer"}`, "/properties/note/type was string, and is integer"},
		{"type in an item", `"n":{"type":"integer"}`, `"n":{"type":"string"}`, "/properties/lines/items/properties/n/type was integer, and is string"},
		{"required added", `["id"]`, `["id","note"]`, "/required was [id], and is [id note]"},
		{"required removed", `"required":["id"],`, ``, "/required was [id], and is <nil>"},
		{"required in an item", `["n"]`, `[]`, "/properties/lines/items/required was [n], and is []"},
		{"enum wider", `"void"]`, `"void","lost"]`, "/properties/state/enum was [paid void], and is [paid void lost]"},
		{"stricter", `"minLength":1`, `"minLength":2`, "/properties/id/minLength was 1, and is 2"},
		{"no other properties", `"required":["id"]`, `"additionalProperties":false,"required":["id"]`, "/additionalProperties was <nil>, and is false"},
	} {
		after := strings.Replace(before, c.old, c.now, 1)
		if c.old != "" && after == before {
			t.Errorf("%s: nothing is changed", c.name)
		}
		var old, now map[string]any
		if err := json.Unmarshal([]byte(before), &old); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(after), &now); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := strings.Join(SchemaBreaks(old, now), "\n"); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestSchemasAreOfThePayloads holds the schemas against the Go types that
// producers encode: neither has what the other has not.
func TestSchemasAreOfThePayloads(t *testing.T) {
	all := schemas(t, "schema")
	for name, payload := range map[string]reflect.Type{
		"user.created.v1":      reflect.TypeFor[user.EventData](),
		"order.created.v1":     reflect.TypeFor[order.CreatedData](),
		"order.confirmed.v1":   reflect.TypeFor[order.EventData](),
		"order.cancelled.v1":   reflect.TypeFor[order.EventData](),
		"payment.processed.v1": reflect.TypeFor[payment.ProcessedData](),
		"inventory.updated.v1": reflect.TypeFor[inventory.UpdatedData](),
	} {
		for _, differs := range differences(name, reflect.TypeFor[platform.Event](), all[name]) {
			t.Error(differs)
		}
		properties, _ := all[name]["properties"].(map[string]any)
		data, _ := properties["data"].(map[string]any)
		for _, differs := range differences(name+"/data", payload, data) {
			t.Error(differs)
		}
	}
}

// differences between a Go type, as encoding/json writes it, and a schema.
func differences(at string, goType reflect.Type, schema map[string]any) []string {
	var want string
	switch kind := goType.Kind(); {
	case goType == reflect.TypeFor[json.RawMessage]():
		return nil // What is in it is compared by itself.
	case goType == reflect.TypeFor[time.Time](), kind == reflect.String:
		want = "string"
	case kind == reflect.Int, kind == reflect.Int64:
		want = "integer"
	case kind == reflect.Bool:
		want = "boolean"
	case kind == reflect.Slice:
		want = "array"
	case kind == reflect.Struct:
		want = "object"
	}
	if schema["type"] != want || want == "" {
		return []string{at + ": the schema's type is not that of " + goType.String()}
	}
	switch want {
	case "array":
		items, _ := schema["items"].(map[string]any)
		return differences(at+"/items", goType.Elem(), items)
	case "object":
		return fieldDifferences(at, goType, schema)
	}
	return nil
}

func fieldDifferences(at string, goType reflect.Type, schema map[string]any) []string {
	var found []string
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	names := map[string]bool{}
	for field := range goType.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		names[name] = true
		property, there := properties[name].(map[string]any)
		if !there {
			found = append(found, at+"/"+name+" is not in the schema")
			continue
		}
		if slices.Contains(required, any(name)) == (options == "omitempty") {
			found = append(found, at+"/"+name+": required and omitempty do not go together")
		}
		found = append(found, differences(at+"/"+name, field.Type, property)...)
	}
	for name := range properties {
		if !names[name] {
			found = append(found, at+"/"+name+" is never written")
		}
	}
	return found
}

func TestPayloadsThatDifferAreFound(t *testing.T) {
	type payload struct {
		ID   string `json:"id"`
		Note string `json:"note,omitempty"`
	}
	f := func(schema, want string) {
		t.Helper()
		var s map[string]any
		if err := json.Unmarshal([]byte(schema), &s); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(differences("it", reflect.TypeFor[payload](), s), "\n"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f(`{"type":"object","required":["id"],"properties":{"id":{"type":"string"},"note":{"type":"string"}}}`, "")
	f(`{"type":"object","required":["id"],"properties":{"id":{"type":"string"}}}`, "it/note is not in the schema")
	f(`{"type":"object","required":["id"],"properties":{"id":{"type":"integer"},"note":{"type":"string"}}}`, "it/id: the schema's type is not that of string")
	f(`{"type":"object","required":[],"properties":{"id":{"type":"string"},"note":{"type":"string"}}}`, "it/id: required and omitempty do not go together")
	f(`{"type":"object","required":["id"],"properties":{"id":{"type":"string"},"note":{"type":"string"},"tip":{"type":"integer"}}}`, "it/tip is never written")
	f(`{"type":"array"}`, "it: the schema's type is not that of contract.payload")
}
