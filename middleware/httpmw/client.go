package httpmw

import (
	"context"
	"net/http"
	"slices"

	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/propagator"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// transport observes the requests of a client. It is safe for concurrent use.
type transport struct {
	config
	base     http.RoundTripper
	methods  methods
	redactor redactor
	tracer   trace.Tracer
	wire     propagator.Wire
	fields   []string // the headers that the propagator writes
	duration *instrument.Duration[clientSeries]
	unread   unread
}

var clientKind = trace.WithSpanKind(trace.SpanKindClient)

// NewTransport makes a round tripper that observes the requests that go
// through base, or http.DefaultTransport if it is nil. Each request, a
// redirected one once more, has a span, and http.client.request.duration with
// the span as exemplar.
//
// Both end when the response's body has been read to its end, has failed, or
// is closed. A body that is forgotten, neither closed nor read for a minute,
// ends them too, with the time of its last read; nothing waits for the garbage
// collector. A caller that cancels its own request makes no error. An error is
// what a name already taken in the registry makes.
func NewTransport(base http.RoundTripper, opts ...Option) (http.RoundTripper, error) {
	if base == nil {
		base = http.DefaultTransport
	}
	cfg := newConfig(opts)
	duration, err := newClientDuration(cfg.source)
	if err != nil {
		return nil, err
	}
	t := &transport{
		config: cfg, base: base, methods: newMethods(cfg.methods), redactor: newRedactor(cfg.redacted),
		tracer: newTracer(cfg.source), wire: propagator.NewWire(cfg.source.Propagator()), duration: duration,
	}
	for _, field := range t.wire.Fields() {
		t.fields = append(t.fields, canonical(field))
	}
	return t, nil
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (t *transport) CloseIdleConnections() {
	if closer, can := t.base.(interface{ CloseIdleConnections() }); can {
		closer.CloseIdleConnections()
	}
}

// RoundTrip is as in http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	c := &call{transport: t, span: noSpan, caller: r.Context()}
	host, port := splitHostPort(r.URL.Host)
	if port == 0 {
		port = defaultPort(r.URL.Scheme)
	}
	c.series = clientSeries{method: t.methods.name(r.Method), address: host, port: port}
	ctx := r.Context()
	if t.traced(r) {
		ctx = t.startSpan(ctx, c, r)
	}
	c.began = instrument.Began(c.span)
	response, err := t.base.RoundTrip(t.outgoing(ctx, c, r))
	if err != nil || response == nil {
		c.end(err)
		return response, err
	}
	c.answered(response)
	return response, nil
}

// startSpan gives a sampler what the conventions want it to know, if it may
// want to, except for the URL, which costs the most. The rest waits for the end,
// as the server's.
func (t *transport) startSpan(ctx context.Context, c *call, r *http.Request) context.Context {
	scratch := instrument.Borrow()
	if t.early {
		c.describeTarget(scratch, r.Header)
	}
	ctx, c.span = t.tracer.Start(ctx, inSpanName(c.series.method), scratch.SpanOptions(clientKind)...)
	if !c.span.IsRecording() {
		scratch.Return()
		return ctx
	}
	if t.phases {
		c.phases = &phases{began: instrument.Began(c.span)}
		ctx = c.phases.watch(ctx)
	}
	if t.early {
		scratch.Clear()
	} else {
		c.describeTarget(scratch, r.Header)
	}
	t.detail(scratch, c, r)
	if instrument.Waits(c.span) && !t.early {
		c.scratch = scratch
		return ctx
	}
	c.span.SetAttributes(scratch.Attributes...)
	scratch.Return()
	return ctx
}

// detail adds what no sampler asks for.
func (t *transport) detail(scratch *instrument.Scratch, c *call, r *http.Request) {
	scratch.Add(semconv.URLFull.String(t.redactor.full(r.URL)))
	if c.series.method == otherMethod {
		scratch.Add(semconv.HTTPRequestMethodOriginal.String(r.Method))
	}
	if n := resends(r); n > 0 {
		scratch.Add(semconv.HTTPRequestResendCount.Int(n))
	}
}

// outgoing is the request as it is sent: a copy, as a round tripper may not
// change the one it got. A host that is not to learn of the trace gets none of
// its headers, not even those that a proxy has copied from its own client.
func (t *transport) outgoing(ctx context.Context, c *call, r *http.Request) *http.Request {
	sent := r.WithContext(ctx)
	if t.propagateTo == nil || t.propagateTo(c.series.address) {
		sent.Header = copied(r.Header)
		c.header.headers = headers(sent.Header)
		t.wire.Inject(ctx, &c.header, &c.text)
		return sent
	}
	if slices.ContainsFunc(t.fields, func(field string) bool { return r.Header[field] != nil }) {
		sent.Header = copied(r.Header)
		for _, field := range t.fields {
			delete(sent.Header, field)
		}
	}
	return sent
}

// copied shares the values with the headers, but has nobody append to them.
func copied(header http.Header) http.Header {
	all := make(http.Header, len(header)+2)
	for name, values := range header {
		all[name] = slices.Clip(values)
	}
	return all
}

// resendsKey finds the count of a context.
type resendsKey struct{}

// WithResends is for who makes requests again: a request with this context is
// the nth repetition, which becomes http.request.resend_count on its span. It
// concerns NewTransport only; redirects are counted without it.
func WithResends(ctx context.Context, n int) context.Context {
	return context.WithValue(ctx, resendsKey{}, n)
}

// resends counts the repetitions and redirects that have led to a request.
func resends(r *http.Request) int {
	const enough = 100
	n, _ := r.Context().Value(resendsKey{}).(int)
	for response, seen := r.Response, 0; response != nil && seen < enough; n, seen = n+1, seen+1 {
		if response.Request == nil {
			return n + 1
		}
		response = response.Request.Response
	}
	return n
}

func defaultPort(scheme string) int {
	switch scheme {
	case "http":
		return 80
	case "https":
		return 443
	}
	return 0
}

func newClientDuration(source Telemetry) (*instrument.Duration[clientSeries], error) {
	return instrument.NewDuration(source, semconv.HTTPClientRequestDuration, clientSeries.labels,
		semconv.HTTPRequestMethod, semconv.ServerAddress, semconv.ServerPort,
		semconv.HTTPResponseStatusCode, semconv.ErrorType, semconv.NetworkProtocolVersion)
}

// clientSeries names a series of the client's histogram.
type clientSeries struct {
	method, address, errorType, version string
	port, status                        int
}

func (s clientSeries) labels() []string {
	return []string{s.method, s.address, statusLabel(s.port), statusLabel(s.status), s.errorType, s.version}
}
