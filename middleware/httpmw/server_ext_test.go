package httpmw_test

import (
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// quiet takes what net/http says of panics.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// bare runs one request through the middleware, without a network.
func bare(t *testing.T, o *telemetry, handler http.Handler, r *http.Request, opts ...httpmw.Option) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	o.middleware(t, opts...)(handler).ServeHTTP(w, r)
	return w
}

func incoming(t *testing.T, method, target string, header ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func ok() http.Handler { return http.HandlerFunc(nothing) }

func status(code int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
}

func mux(pattern string, handler http.Handler) *http.ServeMux {
	m := http.NewServeMux()
	m.Handle(pattern, handler)
	return m
}

func TestServerSpansFollowTheConventions(t *testing.T) {
	tests := map[string]struct {
		method, target string
		header         []string
		handler        http.Handler
		name           string
		attributes     map[string]string // beside those that all have
		status         codes.Code
		series         string
	}{
		"route": {
			method: "GET", target: "http://shop.example:8080/orders/42?full=1", handler: mux("GET /orders/{id}", ok()),
			header: []string{"User-Agent", "curl/8"},
			name:   "GET /orders/{id}",
			attributes: map[string]string{
				"http.request.method": "GET", "http.route": "/orders/{id}", "http.response.status_code": "200", "url.path": "/orders/42",
				"url.query": "full=1", "server.address": "shop.example", "server.port": "8080", "user_agent.original": "curl/8",
			},
			series: "http_request_method=GET,http_response_status_code=200,http_route=/orders/{id},network_protocol_version=1.1,url_scheme=http",
		},
		"no route": {
			method: "POST", target: "http://shop.example/x", handler: mux("GET /orders", ok()),
			name: "POST",
			attributes: map[string]string{
				"http.request.method": "POST", "http.response.status_code": "404", "url.path": "/x", "server.address": "shop.example",
			},
			series: "http_request_method=POST,http_response_status_code=404,network_protocol_version=1.1,url_scheme=http",
		},
		"client's fault": {
			method: "PUT", target: "http://[::1]:80/", handler: status(422),
			name: "PUT",
			attributes: map[string]string{
				"http.request.method": "PUT", "http.response.status_code": "422", "url.path": "/", "server.address": "::1", "server.port": "80",
			},
			series: "http_request_method=PUT,http_response_status_code=422,network_protocol_version=1.1,url_scheme=http",
		},
		"server's fault": {
			method: "QUERY", target: "https://shop.example/", handler: mux("/", status(503)),
			name: "QUERY /",
			attributes: map[string]string{
				"http.request.method": "QUERY", "http.response.status_code": "503", "url.path": "/", "server.address": "shop.example",
				"http.route": "/", "error.type": "503",
			},
			status: codes.Error,
			series: "error_type=503,http_request_method=QUERY,http_response_status_code=503,http_route=/,network_protocol_version=1.1,url_scheme=https",
		},
		"unknown method": {
			method: "BREW", target: "http://shop.example/pot", handler: mux("/pot", ok()),
			name: "HTTP /pot",
			attributes: map[string]string{
				"http.request.method": "_OTHER", "http.request.method_original": "BREW", "http.response.status_code": "200", "url.path": "/pot",
				"server.address": "shop.example", "http.route": "/pot",
			},
			series: "http_request_method=_OTHER,http_response_status_code=200,http_route=/pot,network_protocol_version=1.1,url_scheme=http",
		},
		"method in lower case": {
			method: "get", target: "http://shop.example/", handler: ok(),
			name: "HTTP",
			attributes: map[string]string{
				"http.request.method": "_OTHER", "http.request.method_original": "get", "http.response.status_code": "200", "url.path": "/",
				"server.address": "shop.example",
			},
			series: "http_request_method=_OTHER,http_response_status_code=200,network_protocol_version=1.1,url_scheme=http",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newTelemetry()
			r := incoming(t, test.method, test.target, test.header...)
			bare(t, o, test.handler, r)
			span := o.span(t)
			want := map[string]string{
				"network.protocol.version": "1.1", "network.peer.address": "192.0.2.1", "network.peer.port": "1234",
				"url.scheme": r.URL.Scheme,
			}
			maps.Copy(want, test.attributes)
			if diff := cmp.Diff(want, attributes(span)); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
			if span.Name() != test.name || span.SpanKind() != trace.SpanKindServer || span.Status().Code != test.status {
				t.Errorf("span %q, kind %v, status %v; want %q, server, %v", span.Name(), span.SpanKind(), span.Status().Code, test.name, test.status)
			}
			if got := o.only(t, serverDuration); got != test.series {
				t.Errorf("series\n got %s\nwant %s", got, test.series)
			}
		})
	}
}

func TestSamplerKnowsWhatTheConventionsAsk(t *testing.T) {
	var seen map[string]string
	o := newTelemetry(sdktrace.WithSampler(samplerFunc(func(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
		seen = map[string]string{"": p.Name}
		for _, kv := range p.Attributes {
			seen[string(kv.Key)] = kv.Value.String()
		}
		return sdktrace.SamplingResult{Decision: sdktrace.Drop}
	})))
	handler := mux("/orders/{id}", o.middleware(t)(ok())) // the mux outside
	handler.ServeHTTP(httptest.NewRecorder(), incoming(t, "GET", "http://shop.example:81/orders/1?sig=x"))
	want := map[string]string{
		"": "GET /orders/{id}", "http.request.method": "GET", "url.scheme": "http", "url.path": "/orders/1", "url.query": "sig=REDACTED",
		"server.address": "shop.example", "server.port": "81", "http.route": "/orders/{id}",
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("the sampler saw (-want +got):\n%s", diff)
	}
}

type samplerFunc func(sdktrace.SamplingParameters) sdktrace.SamplingResult

func (f samplerFunc) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult { return f(p) }

func (samplerFunc) Description() string { return "test" }

func TestContextCrossesTheServer(t *testing.T) {
	traceparent, caller := remote()
	other := strings.Replace(traceparent, "00-01", "00-02", 1)
	tests := map[string]struct {
		header []string
		opts   []httpmw.Option
		parent trace.SpanContext
		state  string
		links  int
	}{
		"child":                       {header: []string{"traceparent", traceparent}, parent: caller},
		"no caller":                   {},
		"traceparent twice":           {header: []string{"traceparent", traceparent, "traceparent", other}},
		"the same traceparent twice":  {header: []string{"traceparent", traceparent, "traceparent", traceparent}},
		"tracestate in several parts": {header: []string{"traceparent", traceparent, "tracestate", "a=1", "tracestate", "b=2"}, parent: caller, state: "a=1,b=2"},
		"malformed":                   {header: []string{"traceparent", "00-xyz"}},
		"public endpoint": {
			header: []string{"traceparent", traceparent}, links: 1,
			opts: []httpmw.Option{httpmw.WithPublicEndpoint(func(*http.Request) bool { return true })},
		},
		"public endpoint without a caller": {opts: []httpmw.Option{httpmw.WithPublicEndpoint(func(*http.Request) bool { return true })}},
		"not this endpoint": {
			header: []string{"traceparent", traceparent}, parent: caller,
			opts: []httpmw.Option{httpmw.WithPublicEndpoint(func(r *http.Request) bool { return r.URL.Path == "/public" })},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newTelemetry()
			bare(t, o, ok(), incoming(t, "GET", "/", test.header...), test.opts...)
			span := o.span(t)
			if got := span.Parent(); got.SpanID() != test.parent.SpanID() || got.TraceID() != test.parent.TraceID() || got.TraceState().String() != test.state {
				t.Errorf("parent = %v %q, want %v %q", got.SpanID(), got.TraceState(), test.parent.SpanID(), test.state)
			}
			if len(span.Links()) != test.links || test.links > 0 && span.Links()[0].SpanContext.SpanID() != caller.SpanID() {
				t.Errorf("links = %v, want %d to the caller", span.Links(), test.links)
			}
			if test.links > 0 && span.SpanContext().TraceID() == caller.TraceID() {
				t.Error("a public endpoint goes on with the caller's trace")
			}
		})
	}
}

func TestResponseTellsItsTrace(t *testing.T) {
	overBoth(t, func(t *testing.T, serve func(http.Handler) *httptest.Server) {
		for name, handler := range map[string]http.Handler{
			"plain": ok(), "error": status(500),
			"proxied": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Add("X-Trace-Id", "the backend's")
				w.Header().Add("traceresponse", "the backend's")
				_, _ = io.WriteString(w, "hello")
			}),
		} {
			o := newTelemetry()
			server := serve(o.middleware(t)(handler))
			response := get(t, server.Client(), server.URL)
			sc := o.span(t).SpanContext()
			if got := response.header["X-Trace-Id"]; len(got) != 1 || got[0] != sc.TraceID().String() {
				t.Errorf("%s: x-trace-id = %q, want %s", name, got, sc.TraceID())
			}
			want := "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-01"
			if got := response.header["Traceresponse"]; len(got) != 1 || got[0] != want {
				t.Errorf("%s: traceresponse = %q, want %s", name, got, want)
			}
		}
	})
}

func TestClientAddressIsWhatTheServiceTrusts(t *testing.T) {
	o := newTelemetry()
	bare(t, o, ok(), incoming(t, "GET", "/", "X-Real-Ip", "203.0.113.9"),
		httpmw.WithClientAddress(func(r *http.Request) string { return r.Header.Get("X-Real-Ip") }))
	if got := attributes(o.span(t))["client.address"]; got != "203.0.113.9" {
		t.Errorf("client.address = %q", got)
	}
}

func TestKnownMethods(t *testing.T) {
	t.Setenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET, BREW")
	for name, test := range map[string]struct {
		opts []httpmw.Option
		want map[string]string
	}{
		"environment": {want: map[string]string{"GET": "GET", "BREW": "BREW", "POST": "HTTP"}},
		"option":      {opts: []httpmw.Option{httpmw.WithKnownMethods("POST")}, want: map[string]string{"GET": "HTTP", "POST": "POST"}},
	} {
		for method, want := range test.want {
			o := newTelemetry()
			bare(t, o, ok(), incoming(t, method, "/"), test.opts...)
			if got := o.span(t).Name(); got != want {
				t.Errorf("%s: %s makes the span %q, want %q", name, method, got, want)
			}
		}
	}
}

func TestBodySizes(t *testing.T) {
	for name, header := range map[string]bool{"known length": true, "chunked": false} {
		t.Run(name, func(t *testing.T) {
			o := newTelemetry()
			server := serve(t, o.middleware(t, httpmw.WithBodySizes())(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				_, _ = w.Write(body)
				_, _ = io.WriteString(w, "!")
			})))
			var body io.Reader = strings.NewReader(strings.Repeat("x", 3000))
			if !header {
				body = io.MultiReader(body)
			}
			do(t, server.Client(), newRequest(t, http.MethodPost, server.URL, body))
			got := attributes(o.span(t))
			if got["http.request.body.size"] != "3000" || got["http.response.body.size"] != "3001" {
				t.Errorf("sizes in the span: %s and %s, want 3000 and 3001", got["http.request.body.size"], got["http.response.body.size"])
			}
			for name, want := range map[string]float64{"http_server_request_body_size_bytes": 3000, "http_server_response_body_size_bytes": 3001} {
				if metrics := o.metrics(t, name); len(metrics) != 1 || metrics[0].GetHistogram().GetSampleSum() != want {
					t.Errorf("%s: %v, want a sum of %v", name, metrics, want)
				}
			}
		})
	}
}

func TestNameTakenInTheRegistryIsAnError(t *testing.T) {
	o := newTelemetry()
	o.middleware(t)
	o.client(t, nil)
	o.middleware(t) // a second one shares the metrics
	o.client(t, nil)
	for _, name := range []string{serverDuration, activeRequests, "http_server_request_body_size_bytes", "http_server_response_body_size_bytes", clientDuration} {
		o := newTelemetry()
		if err := o.Registry.Register(taken(name)); err != nil {
			t.Fatal(err)
		}
		_, serverErr := httpmw.NewMiddleware(httpmw.WithTelemetry(o), httpmw.WithBodySizes())
		_, clientErr := httpmw.NewTransport(nil, httpmw.WithTelemetry(o))
		if serverErr == nil && clientErr == nil {
			t.Errorf("%s is taken: no error", name)
		}
	}
}
