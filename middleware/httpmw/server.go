package httpmw

import (
	"context"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/propagator"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// server observes the requests to handlers. It is safe for concurrent use.
type server struct {
	config
	activities activities
	redactor   redactor
	tracer     trace.Tracer
	wire       propagator.Wire
	metrics    serverMetrics
	names      *instrument.Texts[operation]
}

// operation is what a span is named after.
type operation struct{ method, route string }

func (o operation) name() string { return inSpanName(o.method) + " " + o.route }

var serverKind = trace.WithSpanKind(trace.SpanKindServer)

// NewMiddleware makes what observes the requests to a handler. It may go
// around several handlers, and is best the outermost of a handler's
// middlewares. Each request has
//
//   - a span, which ends when the handler returns, panics or hijacks the
//     connection;
//   - http.server.request.duration with the span as exemplar, and
//     http.server.active_requests;
//   - the headers x-trace-id and traceresponse on its response.
//
// A panic is a response 500 and an error "panic", and goes on to the server. A
// client that goes away before it has got a response makes an error.type
// "client_closed_request" without a status, and is no error of the span. An
// error is what a name already taken in the registry makes.
func NewMiddleware(opts ...Option) (func(http.Handler) http.Handler, error) {
	cfg := newConfig(opts)
	metrics, err := newServerMetrics(cfg.source, cfg.bodySizes)
	if err != nil {
		return nil, err
	}
	s := &server{
		config: cfg, activities: newActivities(newMethods(cfg.methods), metrics.active), redactor: newRedactor(cfg.redacted),
		tracer: newTracer(cfg.source), wire: propagator.NewWire(cfg.source.Propagator()), metrics: metrics,
		names: instrument.NewTexts(operation.name),
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(next, w, r) })
	}, nil
}

func (s *server) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	x := s.begin(w, r)
	defer func() {
		cause := recover()
		x.end(cause)
		if cause != nil {
			panic(cause)
		}
	}()
	next.ServeHTTP(x.writer(), &x.request)
}

// begin starts the span and counts the request as active.
func (s *server) begin(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{w: w, server: s, span: noSpan, activity: s.activities.of(r)}
	ctx := s.wire.Extract(r.Context(), headers(r.Header), &x.caller)
	if s.traced(r) {
		ctx = s.startSpan(ctx, x, r)
		x.announce()
	}
	x.began = instrument.Began(x.span)
	x.ctx = requestContext{Context: ctx, exchange: x}
	x.request = *r.WithContext(&x.ctx)
	if s.bodySizes {
		x.count(r)
	}
	x.activity.gauge.Inc()
	return x
}

// startSpan gives a sampler what the conventions want it to know, if it may
// want to. The rest is for those who record, and waits for the end if it can.
func (s *server) startSpan(ctx context.Context, x *exchange, r *http.Request) context.Context {
	scratch := instrument.Borrow()
	name, route := inSpanName(x.activity.method), routeOf(r.Pattern)
	// A mux outside knows the route already, unless its pattern is a prefix,
	// beneath which there may be another mux.
	if strings.HasSuffix(route, "/") {
		route = ""
	}
	if route != "" {
		name = s.names.Of(operation{x.activity.method, route})
	}
	if s.early {
		s.describe(scratch, x, r, route)
	}
	options := scratch.SpanOptions(serverKind)
	if s.public != nil && s.public(r) {
		caller := trace.SpanContextFromContext(ctx)
		// Without the baggage that came, too.
		ctx = trace.ContextWithSpanContext(r.Context(), trace.SpanContext{})
		if caller.IsRemote() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: caller}))
		}
	}
	ctx, x.span = s.tracer.Start(ctx, name, options...)
	if !x.span.IsRecording() {
		scratch.Return()
		return ctx
	}
	if s.early {
		scratch.Clear()
	} else {
		s.describe(scratch, x, r, route)
	}
	s.detail(scratch, x, r)
	if instrument.Waits(x.span) && !s.early {
		x.scratch = scratch
		return ctx
	}
	x.span.SetAttributes(scratch.Attributes...)
	scratch.Return()
	return ctx
}

// describe adds what a sampler may ask for.
func (s *server) describe(scratch *instrument.Scratch, x *exchange, r *http.Request, route string) {
	scratch.Add(semconv.HTTPRequestMethod.String(x.activity.method))
	scratch.Add(semconv.URLScheme.String(x.activity.scheme))
	scratch.Add(semconv.URLPath.String(r.URL.Path))
	if r.URL.RawQuery != "" {
		scratch.Add(semconv.URLQuery.String(s.redactor.query(r.URL.RawQuery)))
	}
	scratch.Attributes = appendHostPort(scratch.Attributes, r.Host, semconv.ServerAddress, semconv.ServerPort)
	if route != "" {
		scratch.Add(semconv.HTTPRoute.String(route))
	}
	capture(scratch, s.requestHeaders, r.Header)
}

// detail adds what no sampler asks for.
func (s *server) detail(scratch *instrument.Scratch, x *exchange, r *http.Request) {
	if x.activity.method == otherMethod {
		scratch.Add(semconv.HTTPRequestMethodOriginal.String(r.Method))
	}
	if version := protocolVersion(r.ProtoMajor, r.ProtoMinor); version != "" {
		scratch.Add(semconv.NetworkProtocolVersion.String(version))
	}
	if agents := r.Header["User-Agent"]; len(agents) > 0 && agents[0] != "" {
		scratch.Add(semconv.UserAgentOriginal.String(agents[0]))
	}
	scratch.Attributes = appendHostPort(scratch.Attributes, r.RemoteAddr, semconv.NetworkPeerAddress, semconv.NetworkPeerPort)
	if s.clientAddress != nil {
		if address := s.clientAddress(r); address != "" {
			scratch.Add(semconv.ClientAddress.String(address))
		}
	}
}

func appendHostPort(attrs []attribute.KeyValue, hostPort string, address, port attribute.Key) []attribute.KeyValue {
	host, number := splitHostPort(hostPort)
	if host == "" {
		return attrs
	}
	attrs = append(attrs, address.String(host))
	if number > 0 {
		attrs = append(attrs, port.Int(number))
	}
	return attrs
}
