package httpmw

import (
	"net/http"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// Telemetry is where spans and metrics go. *middleware.Telemetry is one.
type Telemetry = instrument.Source

// Option changes what NewMiddleware or NewTransport makes.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// WithTelemetry sends spans and metrics there. Otherwise they go to
// OpenTelemetry's global tracer provider and client_golang's default registry.
func WithTelemetry(telemetry Telemetry) Option {
	return optionFunc(func(c *config) { c.source = telemetry })
}

// WithFilter makes spans only of the requests for which trace is true. The
// others are still counted, and still pass on the trace that they came with.
func WithFilter(trace func(*http.Request) bool) Option {
	return optionFunc(func(c *config) { c.trace = trace })
}

// WithPublicEndpoint does not let the requests for which public is true say
// which trace they belong to: they begin a new one with a link to the
// caller's. It concerns NewMiddleware only.
func WithPublicEndpoint(public func(*http.Request) bool) Option {
	return optionFunc(func(c *config) { c.public = public })
}

// WithClientAddress records client.address, taken by get from what the
// service trusts: its peer, or a header that its proxy sets. It concerns
// NewMiddleware only.
func WithClientAddress(get func(*http.Request) string) Option {
	return optionFunc(func(c *config) { c.clientAddress = get })
}

// WithPropagateTo sends trace context and baggage only to the hosts for which
// allowed is true, so that third parties learn neither. The host is without
// port. It concerns NewTransport only.
func WithPropagateTo(allowed func(host string) bool) Option {
	return optionFunc(func(c *config) { c.propagateTo = allowed })
}

// WithSpanUntilHeaders ends spans and durations when the response's headers
// are there, not when its body has been read. It concerns NewTransport only.
func WithSpanUntilHeaders() Option {
	return optionFunc(func(c *config) { c.untilHeaders = true })
}

// WithRedactedQuery adds to the parameters whose values are replaced by
// REDACTED in url.query and url.full. Names are case-sensitive.
func WithRedactedQuery(names ...string) Option {
	return optionFunc(func(c *config) { c.redacted = append(c.redacted, names...) })
}

// WithKnownMethods sets the methods that are recorded by name, others being
// _OTHER. Otherwise OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS decides, then the
// methods of RFC 9110, PATCH and QUERY.
func WithKnownMethods(methods ...string) Option {
	return optionFunc(func(c *config) { c.methods = methods })
}

// WithBodySizes adds histograms of the sizes of request and response bodies.
// It concerns NewMiddleware only.
func WithBodySizes() Option {
	return optionFunc(func(c *config) { c.bodySizes = true })
}

// WithRequestHeaders records the request's headers of these names, if it has
// them, as http.request.header.<name> on the span. No others are recorded.
// Mind that the headers of a client may be secrets, as Authorization and Cookie
// are.
func WithRequestHeaders(names ...string) Option {
	return optionFunc(func(c *config) { c.requestHeaders = captures(c.requestHeaders, semconv.HTTPRequestHeader, names) })
}

// WithResponseHeaders does the same with the response's, as
// http.response.header.<name>.
func WithResponseHeaders(names ...string) Option {
	return optionFunc(func(c *config) { c.responseHeaders = captures(c.responseHeaders, semconv.HTTPResponseHeader, names) })
}

// WithPhases tells on the span how long the request has waited for name
// resolution, for the connection, for TLS, and for the first byte of the
// response, in seconds, and whether the connection was there before. It
// concerns NewTransport only.
func WithPhases() Option {
	return optionFunc(func(c *config) { c.phases = true })
}

// WithServerTiming adds to responses a Server-Timing header with the trace, as
// scripts in a browser can read it, and how long the handler took until its
// first byte. Whoever gets the response learns both. It concerns NewMiddleware
// only.
func WithServerTiming() Option {
	return optionFunc(func(c *config) { c.serverTiming = true })
}
