// Package grpcmw observes gRPC: one set of options each for servers and clients
// makes spans, metrics with exemplars, and passes on the trace, after
// OpenTelemetry's conventions.
//
// Spans are named package.Service/Method. A call of a method that the server
// does not have is named _OTHER, on the span and on the metric, whatever the
// caller wrote.
//
// The metrics are rpc.server.call.duration and rpc.client.call.duration, with
// method, status and, when the call has failed, error.type as labels. A peer's
// address is on spans only. Methods come from the service's own code, except on
// a server with grpc.UnknownServiceHandler, which serves whatever it is asked
// for; there the limit on the series of an instrument holds.
//
// gRPC tells a stats handler of attempts, not of calls: a call that is retried
// has one client span and one measurement for each attempt, side by side under
// the caller's span. An attempt that gRPC made again by itself, because no
// server had seen the one before, has transparent-retry; a server's span tells
// in previous-rpc-attempts how often the call was retried before. The names are
// those of gRFC A72.
//
// ServerOptions and DialOptions add interceptors to the handlers, which see what
// gRPC does not tell a handler: panics, the errors behind statuses, and calls
// that came to no attempt.
//
// A stream's span counts its messages. A client's stream that is neither read to
// its end nor cancelled never ends for gRPC, and its span neither: see
// grpc.ClientConn.NewStream.
package grpcmw

import (
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/propagator"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// scopeName is the instrumentation scope of the spans.
const scopeName = "github.com/waybill-dev/waybill/middleware/grpcmw"

// NewServerHandler makes what grpc.StatsHandler takes. It fails if the metric
// can't be registered.
func NewServerHandler(options ...Option) (stats.Handler, error) {
	o, err := newObserver(trace.SpanKindServer, semconv.RPCServerCallDuration, serverError, options)
	if err != nil {
		return nil, err
	}
	return &serverHandler{observer: o}, nil
}

// NewClientHandler makes what grpc.WithStatsHandler takes. It fails if the
// metric can't be registered.
func NewClientHandler(options ...Option) (stats.Handler, error) {
	o, err := newObserver(trace.SpanKindClient, semconv.RPCClientCallDuration, clientError, options)
	if err != nil {
		return nil, err
	}
	return &clientHandler{observer: o}, nil
}

// observer is what both handlers consist of. It is safe for concurrent use.
type observer struct {
	config
	intercepts bool // an interceptor wants to know of attempts
	tracer     trace.Tracer
	wire       propagator.Wire
	duration   *instrument.Duration[series]
	methods    methods
}

// series identifies one series of the metric.
type series struct {
	method string
	status string
	// errorType is empty if that is no error.
	errorType string
}

func newObserver(
	kind trace.SpanKind, metric semconv.Metric, isError func(string, codes.Code) bool, options []Option,
) (*observer, error) {
	o := &observer{config: config{source: instrument.Globals{}, trace: notHealth, isError: isError}}
	for _, option := range options {
		option.apply(&o.config)
	}
	o.tracer = o.source.TracerProvider().Tracer(scopeName, trace.WithSchemaURL(semconv.SchemaURL))
	o.wire = propagator.NewWire(o.source.Propagator())
	o.methods = methods{kind: kind, early: instrument.AttributesAtStart(o.source)}
	var err error
	o.duration, err = instrument.NewDuration(o.source, metric, series.labels,
		semconv.RPCSystemName, semconv.RPCMethod, semconv.RPCResponseStatusCode, semconv.ErrorType)
	return o, err
}

func (s series) labels() []string { return []string{system, s.method, s.status, s.errorType} }
