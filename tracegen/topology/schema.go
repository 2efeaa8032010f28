package topology

import (
	"encoding/json"
	"maps"
	"slices"
)

// Schema is a JSON schema (2020-12) of topologies, by which an editor completes
// and checks them. Its bounds are those that Parse holds a topology to; what
// only the whole shows, as a cycle, is beyond it.
func Schema() string {
	defs := schema{}
	for _, part := range []map[string]schema{valueSchemas(), callSchemas(), operationSchemas(), wholeSchemas()} {
		for name, s := range part {
			defs[name] = s
		}
	}
	whole := object(wholeKeys(), "services", "traces")
	whole["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	whole["title"] = "tracegen topology"
	whole["$defs"] = defs
	encoded, err := json.MarshalIndent(whole, "", " ")
	if err != nil {
		panic("BUG: the schema is no JSON: " + err.Error())
	}
	return string(encoded) + "\n"
}

// schema is one JSON schema.
type schema map[string]any

// keys are an object's keys with what each may be.
type keys map[string]schema

// object has these keys and no others.
func object(known keys, required ...string) schema {
	s := schema{"type": "object", "additionalProperties": false, "properties": known}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// named is an object whose keys are names.
func named(of string) schema { return schema{"type": "object", "additionalProperties": ref(of)} }

func ref(name string) schema { return schema{"$ref": "#/$defs/" + name} }

func list(of schema) schema { return schema{"type": "array", "items": of} }

func oneOf(of ...schema) schema { return schema{"oneOf": of} }

func enum(values ...string) schema { return schema{"enum": values} }

// number is bounded; an integer, too.
func number(low, high float64) schema {
	return schema{"type": "number", "minimum": low, "maximum": high}
}

func integer(low, high int) schema {
	return schema{"type": "integer", "minimum": low, "maximum": high}
}

// pair is a list of the least and the most.
func pair(of schema) schema {
	return schema{"type": "array", "items": of, "minItems": 2, "maxItems": 2}
}

// says adds what an editor shows beside the key.
func (s schema) says(text string) schema {
	s = maps.Clone(s)
	s["description"] = text
	return s
}

var (
	text    = schema{"type": "string", "minLength": 1}
	boolean = schema{"type": "boolean"}
)

// valueSchemas are of attributes and durations.
func valueSchemas() map[string]schema {
	duration := ref("duration")
	return map[string]schema{
		"duration":   {"type": "string", "pattern": "^[0-9].*(ns|us|µs|ms|s|m|h)$"},
		"scalar":     {"type": []string{"string", "number", "boolean"}},
		"attributes": named("value"),
		"value": oneOf(ref("scalar"), object(keys{
			"pattern":     schema{"type": "string", "pattern": `\{(n|id)\}`}.says("a text in which {n} is one of so many numbers, or {id} twenty letters"),
			"one_of":      schema{"type": "array", "items": ref("scalar"), "minItems": 1}.says("one of these"),
			"int":         pair(integer(-1<<31, 1<<31-1)).says("an integer: the least and the most"),
			"cardinality": number(1, 1e15).says("how many different values there are"),
			"per":         enum("trace", "span").says("what one value is drawn for; trace, unless said"),
		})),
		"distribution": oneOf(duration, object(keys{
			"constant": duration,
			"lognormal": object(keys{
				"median": duration, "p99": duration, "sigma": number(0, 10).says("the standard deviation of the logarithm"),
			}, "median"),
			"pareto":      object(keys{"min": duration, "alpha": number(0.1, 100)}, "min", "alpha"),
			"percentiles": {"type": "object", "patternProperties": schema{`^p[0-9.]+$`: duration}, "additionalProperties": false, "minProperties": 1},
			"mixture":     list(object(keys{"weight": number(0, 1e9), "latency": ref("distribution")}, "weight", "latency")),
			"max":         duration.says("what is longer is cut off here"),
		})),
	}
}

// callSchemas are of what an operation does.
func callSchemas() map[string]schema {
	count := integer(0, maxRepetitions)
	return map[string]schema{
		"call": oneOf(text, object(keys{
			"to":          text.says("an operation of this service, or service/operation"),
			"probability": number(0, 1).says("how often it is made"),
			"cached":      number(0, 1).says("the share that is not made"),
			"count":       oneOf(count, pair(count)).says("how often it is repeated, or the least and the most"),
			"retry": object(keys{
				"attempts": integer(1, maxAttempts),
				"backoff":  ref("distribution").says("before the second attempt; then twice as long each time"),
				"on":       list(text).says("the errors after which it is tried again; all, unless said"),
			}),
			"async":    boolean.says("it begins when the caller has ended, and links to it"),
			"after":    ref("distribution").says("how long after the caller an async call begins"),
			"optional": boolean.says("the caller goes on when it fails"),
		}, "to")),
		"step": oneOf(ref("call"), object(keys{"parallel": list(ref("call"))}, "parallel")),
	}
}

// operationSchemas are of an operation and its parts.
func operationSchemas() map[string]schema {
	after := schema{"type": "integer", "minimum": 0}
	steps := list(ref("step")).says("what it calls, in this order")
	errors := named("error").says("what goes wrong here, or comes here from below, by name")
	return map[string]schema{
		"kind": enum(slices.Sorted(maps.Keys(kinds))...),
		"event": object(keys{
			"name": text, "after": after.says("how many calls are over by then"), "attributes": ref("attributes"),
		}, "name"),
		"log": object(keys{
			"body": text, "severity": enum(slices.Sorted(maps.Keys(severities))...).says("info, unless said"),
			"after": after.says("how many calls are over by then"), "attributes": ref("attributes"),
		}, "body"),
		"error": object(keys{
			"rate":       number(0, 1).says("how often it arises here"),
			"after":      after.says("how many calls are made before it arises; all, unless said"),
			"status":     enum("error", "unset").says("what the span's status becomes"),
			"type":       text.says("error.type; the error's name, unless said"),
			"message":    text,
			"attributes": ref("attributes").says("in place of the span's usual ones"),
			"handled":    boolean.says("the operation succeeds all the same"),
			"calls":      steps.says("what is called in place of the calls that are left"),
			"logs":       list(ref("log")).says("what is written when the operation ends with it"),
		}),
		"client": object(keys{
			"name": text, "kind": ref("kind"), "latency": ref("distribution"), "attributes": ref("attributes"), "errors": errors,
		}),
		"operation": object(keys{
			"name":       text.says("the span's name; the key, unless said"),
			"kind":       ref("kind").says("server, unless said"),
			"latency":    ref("distribution").says("what it takes beside its calls: a median, or a distribution"),
			"attributes": ref("attributes"),
			"events":     list(ref("event")),
			"logs":       list(ref("log")),
			"client":     oneOf(schema{"const": false}, ref("client")).says("the span that a caller in another service has around it"),
			"errors":     errors,
			"calls":      steps,
		}),
	}
}

// wholeSchemas are of services and traces.
func wholeSchemas() map[string]schema {
	return map[string]schema{
		"service": object(keys{
			"instances":  integer(1, MaxInstances),
			"resource":   ref("attributes"),
			"metrics":    named("metric").says("what each instance measures, by name"),
			"operations": named("operation"),
		}),
		"metric": object(keys{
			"type":        enum(slices.Sorted(maps.Keys(metricTypes))...),
			"unit":        text,
			"description": text,
			"rate":        number(0, 1e9).says("how often a second something is counted"),
			"between":     pair(number(-1e15, 1e15)).says("of a gauge: the least and the most"),
			"latency":     ref("distribution").says("of a histogram: what it measures, in seconds"),
			"attributes":  ref("attributes").says("one_of, and patterns with {n}, make a series of each value"),
		}, "type"),
		"trace": object(keys{
			"name":   text,
			"weight": number(0, 1e9).says("how often it comes, beside the others"),
			"start":  text.says("service/operation"),
			"errors": schema{"type": "object", "additionalProperties": text}.says("errors that arise for certain, by service/operation"),
			"slow":   schema{"type": "object", "additionalProperties": number(0, 1e6)}.says("factors of latency, by service/operation"),
			"lost":   list(text).says("operations that never begin"),
		}, "start"),
	}
}

func wholeKeys() keys {
	return keys{
		"name":        text,
		"description": text,
		"definitions": schema{"description": "for YAML anchors; not looked at"},
		"resource":    ref("attributes").says("attributes that all services have"),
		"services":    named("service"),
		"traces":      schema{"type": "array", "items": ref("trace"), "minItems": 1},
	}
}
