package httpmw

import (
	"net/http"

	"github.com/waybill-dev/waybill/middleware/internal/propagator"
)

// headers carries trace context in an http.Header. It spares the work of
// spelling the names, which OpenTelemetry's carrier does each time.
type headers http.Header

var _ propagator.Carrier = headers{}

// Get is the value of a header, by the rule that all carriers follow.
func (h headers) Get(key string) string { return propagator.Header(key, h.Values(key)) }

// Values are all values of a header.
func (h headers) Values(key string) []string { return h[canonical(key)] }

// Set replaces a header.
func (h headers) Set(key, value string) { h[canonical(key)] = []string{value} }

// Keys are the names of all headers.
func (h headers) Keys() []string {
	keys := make([]string, 0, len(h))
	for key := range h {
		keys = append(keys, key)
	}
	return keys
}

// canonical is http.CanonicalHeaderKey, which allocates for the names that are
// not its own.
func canonical(key string) string {
	switch key {
	case "traceparent":
		return "Traceparent"
	case "tracestate":
		return "Tracestate"
	case "baggage":
		return "Baggage"
	case "b3":
		return "B3"
	case "uber-trace-id":
		return "Uber-Trace-Id"
	}
	return http.CanonicalHeaderKey(key)
}

// The headers of a response that tell its trace: one for people, who paste it
// into a viewer, and one for programs.
const (
	traceIDHeader       = "X-Trace-Id"
	traceResponseHeader = "Traceresponse"
)
