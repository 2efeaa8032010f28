package receive

import "slices"

// idSchema says of a message's JSON which fields are ids, and which hold
// messages with ids further inside. Elements of arrays are meant as well.
type idSchema struct {
	ids    []string
	fields map[string]*idSchema
}

// at nests the schema in fields of those names, the innermost last.
func (s *idSchema) at(names ...string) *idSchema {
	for _, name := range slices.Backward(names) {
		s = &idSchema{fields: map[string]*idSchema{name: s}}
	}
	return s
}

func spanIDs() *idSchema {
	link := &idSchema{ids: []string{"traceId", "spanId"}}
	span := &idSchema{ids: []string{"traceId", "spanId", "parentSpanId"}, fields: map[string]*idSchema{"links": link}}
	return span.at("resourceSpans", "scopeSpans", "spans")
}

func logIDs() *idSchema {
	record := &idSchema{ids: []string{"traceId", "spanId"}}
	return record.at("resourceLogs", "scopeLogs", "logRecords")
}

func metricIDs() *idSchema {
	exemplar := &idSchema{ids: []string{"traceId", "spanId"}}
	points := exemplar.at("dataPoints", "exemplars")
	metric := &idSchema{fields: map[string]*idSchema{
		"gauge": points, "sum": points, "histogram": points, "exponentialHistogram": points,
	}}
	return metric.at("resourceMetrics", "scopeMetrics", "metrics")
}

// isID says whether a field of the message is an id. The decoder takes the
// names of the .proto files too, so both spellings count.
func (s *idSchema) isID(name []byte) bool {
	for _, id := range s.ids {
		if sameField(id, name) {
			return true
		}
	}
	return false
}

// inside is the schema of a field, or nil when it holds no ids.
func (s *idSchema) inside(name []byte) *idSchema {
	if inner, ok := s.fields[string(name)]; ok {
		return inner
	}
	for camel, inner := range s.fields {
		if sameField(camel, name) {
			return inner
		}
	}
	return nil
}

// sameField says whether name is the lowerCamelCase name, or that in snake_case.
func sameField(camel string, name []byte) bool {
	if camel == string(name) {
		return true
	}
	at := 0
	for i := range len(camel) {
		c := camel[i]
		if c >= 'A' && c <= 'Z' {
			if at >= len(name) || name[at] != '_' {
				return false
			}
			at++
			c += 'a' - 'A'
		}
		if at >= len(name) || name[at] != c {
			return false
		}
		at++
	}
	return at == len(name)
}
