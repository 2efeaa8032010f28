package grpcmw

import (
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
)

// Telemetry is where spans and metrics go. *middleware.Telemetry is one.
type Telemetry = instrument.Source

// Option changes what ServerOptions, DialOptions, NewServerHandler or
// NewClientHandler make.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// config is what the options come to.
type config struct {
	source        Telemetry
	trace         func(method string) bool
	isError       func(method string, code codes.Code) bool
	public        bool
	messageEvents bool
	recovers      bool
}

// notHealth keeps probes out of the traces.
func notHealth(method string) bool {
	return !strings.HasPrefix(method, "grpc.health.v1.Health/")
}

// WithTelemetry sends spans and metrics there. Otherwise they go to
// OpenTelemetry's global tracer provider and client_golang's default registry.
func WithTelemetry(telemetry Telemetry) Option {
	return optionFunc(func(c *config) { c.source = telemetry })
}

// WithFilter makes spans only of the calls for which trace is true; method is
// as in package.Service/Method. The others are still counted, and still pass
// on the trace that they came with. Otherwise all calls but those of
// grpc.health.v1.Health have spans.
func WithFilter(trace func(method string) bool) Option {
	return optionFunc(func(c *config) { c.trace = trace })
}

// WithErrorStatus decides which statuses are errors of the call. Otherwise the
// conventions do: on a client all but OK, on a server those that are its fault.
// It is not asked about OK, nor about calls that the caller has cancelled
// itself, which are none.
func WithErrorStatus(isError func(method string, code codes.Code) bool) Option {
	return optionFunc(func(c *config) { c.isError = isError })
}

// WithPublicEndpoint does not let calls say which trace they belong to: they
// begin a new one with a link to the caller's. It concerns servers only.
func WithPublicEndpoint() Option {
	return optionFunc(func(c *config) { c.public = true })
}

// WithMessageEvents adds an event to the span for each message, with its size.
func WithMessageEvents() Option {
	return optionFunc(func(c *config) { c.messageEvents = true })
}

// WithRecovery answers calls whose handlers panic with INTERNAL, and lets the
// server live. The caller learns nothing of the panic; the span has it.
// Otherwise the panic goes on, to an interceptor of the service's own or to the
// end of the process. It concerns ServerOptions only.
func WithRecovery() Option {
	return optionFunc(func(c *config) { c.recovers = true })
}
