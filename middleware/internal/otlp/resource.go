package otlp

import (
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
)

// valid makes text that a protobuf string may hold: one bad byte would have
// the receiver refuse the whole batch.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// inResource writes what the requests of all signals begin with: a Resource…
// message in field 1, with the resource in its field 1.
//
//	Resource { repeated KeyValue attributes = 1; }
func inResource(dst []byte, res *resource.Resource, scopes func([]byte) []byte) []byte {
	return message(dst, 1, func(dst []byte) []byte {
		dst = message(dst, 1, func(dst []byte) []byte { return attributes(dst, 1, res.Attributes()) })
		return text(scopes(dst), 3, res.SchemaURL())
	})
}

// inScope writes a Scope… message in field 2, with the scope in its field 1.
//
//	InstrumentationScope { string name = 1;  string version = 2;  repeated KeyValue attributes = 3; }
func inScope(dst []byte, scope instrumentation.Scope, items func([]byte) []byte) []byte {
	return message(dst, 2, func(dst []byte) []byte {
		dst = message(dst, 1, func(dst []byte) []byte {
			dst = text(text(dst, 1, scope.Name), 2, scope.Version)
			return attributes(dst, 3, scope.Attributes.ToSlice())
		})
		return text(items(dst), 3, scope.SchemaURL)
	})
}
