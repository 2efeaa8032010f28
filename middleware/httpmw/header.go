package httpmw

import (
	"net/http"
	"strings"

	"github.com/waybill-dev/waybill/middleware/internal/propagator"
)

// headers carries trace context in an http.Header. Unlike OpenTelemetry's
// carrier it follows what the Trace Context recommendation says of headers
// that come several times, and spares the work of spelling the names.
type headers http.Header

var _ propagator.Carrier = headers{}

// Get is the value of a header: nothing for a traceparent that came twice, as
// none of them can be trusted, and the whole list for a tracestate that came
// in parts.
func (h headers) Get(key string) string {
	values := h.Values(key)
	switch {
	case len(values) == 0:
		return ""
	case len(values) == 1:
		return values[0]
	case key == "traceparent":
		return ""
	case key == "tracestate":
		return strings.Join(values, ",")
	}
	return values[0]
}

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
