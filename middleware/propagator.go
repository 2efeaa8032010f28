package middleware

import (
	"slices"

	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel/propagation"
)

// newPropagator obeys OTEL_PROPAGATORS; W3C Trace Context and Baggage otherwise.
func newPropagator(env *environment) propagation.TextMapPropagator {
	const name = "OTEL_PROPAGATORS"
	words := env.list(name, "tracecontext,baggage")
	var propagators []propagation.TextMapPropagator
	for i, word := range words {
		if slices.Contains(words[:i], word) {
			continue
		}
		switch word {
		case "tracecontext":
			propagators = append(propagators, propagation.TraceContext{})
		case "baggage":
			propagators = append(propagators, propagation.Baggage{})
		case "b3":
			propagators = append(propagators, b3.New(b3.WithInjectEncoding(b3.B3SingleHeader)))
		case "b3multi":
			propagators = append(propagators, b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader)))
		case "none":
			return propagation.NewCompositeTextMapPropagator()
		default:
			env.fail(name, word, "tracecontext, baggage, b3, b3multi or none, with commas between them")
		}
	}
	return propagation.NewCompositeTextMapPropagator(propagators...)
}
