package propagator

import (
	"strings"

	"go.opentelemetry.io/otel/propagation"
)

// Header is the value of a header that has come with these values. Headers that
// are lists are joined, as Trace Context and Baggage have it. Of
// others there must be one: who sends traceparent twice has sent none that could
// be trusted (Trace Context, 3.2.1), and other ids are no better.
func Header(name string, values []string) string {
	switch {
	case len(values) == 0:
		return ""
	case len(values) == 1:
		return values[0]
	case isList(name):
		return strings.Join(values, ",")
	}
	return ""
}

func isList(name string) bool {
	return strings.EqualFold(name, "tracestate") || strings.EqualFold(name, "baggage") || strings.EqualFold(name, jaegerBaggageHeader)
}

// value is that of a header in a carrier, which may tell of several.
func value(carrier propagation.TextMapCarrier, name string) string {
	if getter, several := carrier.(propagation.ValuesGetter); several {
		return Header(name, getter.Values(name))
	}
	return carrier.Get(name)
}
