package contract

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// SchemaBreaks says what differs between two versions of an event's schema,
// decoded from JSON, that somebody may stumble over. Events of before are on the
// bus beside those of now, and services are not changed all at once, so both
// ways have to work: who knows the old schema reads new events, and who knows
// the new one old events. Then a schema may gain properties that are not
// required, and be described in other words. Everything else is a break, and
// needs a new version of the event.
func SchemaBreaks(old, now map[string]any) []string {
	return schemaBreaks("", old, now)
}

// annotations say nothing of what is valid.
var annotations = []string{"$id", "$comment", "title", "description", "examples"}

func schemaBreaks(at string, old, now map[string]any) []string {
	var breaks []string
	keywords := maps.Clone(old)
	maps.Copy(keywords, now)
	for _, keyword := range slices.Sorted(maps.Keys(keywords)) {
		was, is, where := old[keyword], now[keyword], at+"/"+keyword
		wasSchema, before := was.(map[string]any)
		isSchema, after := is.(map[string]any)
		switch {
		case slices.Contains(annotations, keyword):
		case keyword == "properties" && before && after:
			breaks = append(breaks, propertyBreaks(where, wasSchema, isSchema)...)
		case keyword == "items" && before && after:
			breaks = append(breaks, schemaBreaks(where, wasSchema, isSchema)...)
		case !reflect.DeepEqual(was, is):
			breaks = append(breaks, fmt.Sprintf("%s was %v, and is %v", where, was, is))
		}
	}
	return breaks
}

func propertyBreaks(at string, old, now map[string]any) []string {
	var breaks []string
	for _, name := range slices.Sorted(maps.Keys(old)) {
		was, _ := old[name].(map[string]any)
		is, there := now[name].(map[string]any)
		if !there {
			breaks = append(breaks, at+"/"+name+" is gone")
			continue
		}
		breaks = append(breaks, schemaBreaks(at+"/"+name, was, is)...)
	}
	return breaks
}
