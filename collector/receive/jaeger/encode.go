package jaeger

import (
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// encode returns the traces as an export request. Neither Thrift nor Jaeger's
// protobuf holds strings to UTF-8, which OTLP demands: Jaeger took them, so
// they are mended here, and not refused.
func encode(traces ptrace.Traces) ([]byte, error) {
	for _, resource := range traces.ResourceSpans().All() {
		mendAttributes(resource.Resource().Attributes())
		for _, scope := range resource.ScopeSpans().All() {
			scope.Scope().SetName(mend(scope.Scope().Name()))
			scope.Scope().SetVersion(mend(scope.Scope().Version()))
			for _, span := range scope.Spans().All() {
				mendSpan(span)
			}
		}
	}
	return (&ptrace.ProtoMarshaler{}).MarshalTraces(traces)
}

func mendSpan(span ptrace.Span) {
	span.SetName(mend(span.Name()))
	span.TraceState().FromRaw(mend(span.TraceState().AsRaw()))
	span.Status().SetMessage(mend(span.Status().Message()))
	mendAttributes(span.Attributes())
	for _, event := range span.Events().All() {
		event.SetName(mend(event.Name()))
		mendAttributes(event.Attributes())
	}
}

// mendAttributes changes values in place. Keys cannot be changed; an attribute
// with a broken one is put anew.
func mendAttributes(attributes pcommon.Map) {
	var broken []string
	for key, value := range attributes.All() {
		if value.Type() == pcommon.ValueTypeStr && !utf8.ValidString(value.Str()) {
			value.SetStr(mend(value.Str()))
		}
		if !utf8.ValidString(key) {
			broken = append(broken, key)
		}
	}
	for _, key := range broken {
		value, found := attributes.Get(key)
		if !found {
			continue // came twice
		}
		kept := pcommon.NewValueEmpty()
		value.CopyTo(kept)
		attributes.Remove(key)
		kept.CopyTo(attributes.PutEmpty(mend(key)))
	}
}

func mend(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
