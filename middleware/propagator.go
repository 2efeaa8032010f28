package middleware

import (
	"slices"
	"strings"

	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel/propagation"

	"github.com/waybill-dev/waybill/middleware/internal/propagator"
)

// newPropagator obeys OTEL_PROPAGATORS; W3C Trace Context and Baggage
// otherwise. Each is read and written; where several tell a trace, the last
// counts.
func newPropagator(env *environment) propagation.TextMapPropagator {
	const name = "OTEL_PROPAGATORS"
	words := env.list(name, "tracecontext,baggage")
	var propagators []propagation.TextMapPropagator
	for i, word := range words {
		if word == "" || slices.Contains(words[:i], word) {
			continue
		}
		switch strings.ToLower(word) {
		case "tracecontext":
			propagators = append(propagators, propagator.TraceContext{})
		case "baggage":
			propagators = append(propagators, propagation.Baggage{})
		case "b3":
			propagators = append(propagators, b3.New(b3.WithInjectEncoding(b3.B3SingleHeader)))
		case "b3multi":
			propagators = append(propagators, b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader)))
		case "jaeger":
			propagators = append(propagators, propagator.Jaeger{})
		case "plain":
			propagators = append(propagators, propagator.Plain{})
		case "none":
			return propagation.NewCompositeTextMapPropagator()
		default:
			env.ignore(name, word, "tracecontext, baggage, b3, b3multi, jaeger, plain or none, with commas between them")
		}
	}
	return propagation.NewCompositeTextMapPropagator(propagators...)
}
