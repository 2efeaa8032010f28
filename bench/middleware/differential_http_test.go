package middleware

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// generated is how many requests each of the comparisons makes.
const generated = 600

// TestHTTPServersDifferAsListed has hundreds of requests served under otelhttp
// and under ours, and compares what is recorded.
func TestHTTPServersDifferAsListed(t *testing.T) {
	c, random := newComparison(serverRules()), rand.New(rand.NewPCG(1, 2))
	for range generated {
		v := newVisit(random)
		c.compare(t, v.String(),
			observe(t, waybill, func(to telemetry) {
				around, err := httpmw.NewMiddleware(httpmw.WithTelemetry(to), httpmw.WithBodySizes())
				if err != nil {
					t.Fatal(err)
				}
				v.serve(t, around)
			}),
			observe(t, otel, func(to telemetry) {
				v.serve(t, otelhttp.NewMiddleware("", otelhttp.WithTracerProvider(to.traces), otelhttp.WithMeterProvider(to.meters),
					otelhttp.WithPropagators(to.Propagator())))
			}))
	}
	c.finish(t)
}

// visit is a request to a server, and what its handler does.
type visit struct {
	method, url, trace, agent, body, does string
	status                                int
}

func (v visit) String() string {
	return fmt.Sprintf("%s %s with %s, agent %q, body %s; handler %s %d", v.method, v.url, v.trace, v.agent, v.body, v.does, v.status)
}

func one[T any](random *rand.Rand, of ...T) T { return of[random.IntN(len(of))] }

func newVisit(random *rand.Rand) visit {
	return visit{
		method: one(random, "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "QUERY", "BREW", "get"),
		url: one(random, "http://shop.example", "http://shop.example:8080", "http://[::1]:8080", "https://shop.example", "https://shop.example:443") +
			one(random, "/orders/42", "/orders", "/files/a/b", "/nowhere", "/copied/orders/7") +
			one(random, "", "?full=1", "?X-Amz-Signature=s3cret&full=1", "?sig=s3cret"),
		trace:  one(random, slices.Sorted(maps.Keys(traces()))...),
		agent:  one(random, "", "curl/8", "Mozilla/5.0"),
		body:   one(random, "none", "none", "known", "chunked", "unread"),
		does:   one(random, "answers", "answers", "answers", "answers", "is silent", "panics", "aborts", "is left", "writes twice"),
		status: one(random, 200, 200, 201, 204, 301, 400, 404, 429, 499, 500, 503),
	}
}

// request is made anew for each library.
func (v visit) request(ctx context.Context) *http.Request {
	var body io.Reader
	switch v.body {
	case "known", "unread":
		body = strings.NewReader("an order")
	case "chunked":
		body = io.MultiReader(strings.NewReader("an "), strings.NewReader("order"))
	}
	r := httptest.NewRequestWithContext(ctx, v.method, v.url, body)
	if v.agent != "" {
		r.Header.Set("User-Agent", v.agent)
	}
	for _, header := range traces()[v.trace] {
		r.Header.Add(header[0], header[1])
	}
	return r
}

// serve serves the request; what the handler panics with must come through.
func (v visit) serve(t *testing.T, around func(http.Handler) http.Handler) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	mux := http.NewServeMux()
	act := func(w http.ResponseWriter, r *http.Request) { v.act(w, r, leave) }
	mux.HandleFunc("GET /orders/{id}", act)
	mux.HandleFunc("/orders", act)
	mux.HandleFunc("/files/{path...}", act)
	// Everything beneath is copied before the mux within sees it.
	within := http.NewServeMux()
	within.HandleFunc("/orders/{id}", act)
	mux.Handle("/copied/", http.StripPrefix("/copied", within))
	defer func() {
		cause := recover()
		if cause != nil && v.does != "panics" && v.does != "aborts" {
			t.Errorf("%v: panicked with %v", v, cause)
		}
	}()
	around(mux).ServeHTTP(httptest.NewRecorder(), v.request(ctx))
}

func (v visit) act(w http.ResponseWriter, r *http.Request, leave func()) {
	if v.body != "unread" {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	switch v.does {
	case "is silent":
		return
	case "panics":
		panic("out of orders")
	case "aborts":
		panic(http.ErrAbortHandler)
	case "is left":
		leave()
		return
	case "writes twice":
		w.WriteHeader(v.status)
		w.WriteHeader(http.StatusTeapot)
		return
	}
	w.WriteHeader(v.status)
	if v.status != http.StatusNoContent {
		_, _ = io.WriteString(w, "an order")
	}
}

// TestHTTPClientsDifferAsListed does the same with requests that are made.
func TestHTTPClientsDifferAsListed(t *testing.T) {
	c, random := newComparison(clientRules()), rand.New(rand.NewPCG(3, 4))
	for range generated {
		e := newErrand(random)
		record := func(library string, around func(telemetry, http.RoundTripper) http.RoundTripper) observation {
			var sent http.Header
			o := observe(t, library, func(to telemetry) {
				e.make(t, around(to, e.network(&sent)))
			})
			o.sent(sent["Traceparent"], sent["Baggage"])
			return o
		}
		c.compare(t, e.String(),
			record(waybill, func(to telemetry, base http.RoundTripper) http.RoundTripper { return transport(t, waybill, to, base) }),
			record(otel, func(to telemetry, base http.RoundTripper) http.RoundTripper { return transport(t, otel, to, base) }))
	}
	c.finish(t)
}

// errand is a request of a client, and what comes of it.
type errand struct {
	method, url, trace, body, comes, reads string
	status                                 int
}

func (e errand) String() string {
	return fmt.Sprintf("%s %s in %s, body %s; %s comes, %d, and is %s", e.method, e.url, e.trace, e.body, e.comes, e.status, e.reads)
}

func newErrand(random *rand.Rand) errand {
	return errand{
		method: one(random, "GET", "GET", "", "HEAD", "POST", "PUT", "DELETE", "QUERY", "BREW"),
		url: one(random, "http://shop.example", "http://shop.example:8080", "https://shop.example", "http://[::1]:8080", "http://ann:s3cret@shop.example") +
			"/orders/42" + one(random, "", "?full=1", "?X-Amz-Signature=s3cret&full=1", "?sig=s3cret", "#top"),
		trace: one(random, "no trace", sampled, unsampled),
		body:  one(random, "none", "none", "some"),
		comes: one(random, "an answer", "an answer", "an answer", "an answer", "HTTP/2", "a refusal", "a timeout", "a reset", "nonsense", "a break", "a cancellation"),
		reads: one(random, "read", "closed", "empty"), status: one(random, 200, 200, 204, 302, 400, 404, 429, 500, 503),
	}
}

// network is the server and the way there.
func (e errand) network(sent *http.Header) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		*sent = r.Header
		if r.Body != nil {
			_, _ = io.Copy(io.Discard, r.Body)
			_ = r.Body.Close()
		}
		response := &http.Response{
			StatusCode: e.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, Header: http.Header{}, ContentLength: -1,
			Body: io.NopCloser(strings.NewReader("an order")),
		}
		switch e.comes {
		case "HTTP/2":
			response.Proto, response.ProtoMajor, response.ProtoMinor = "HTTP/2.0", 2, 0
		case "a refusal":
			return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		case "a timeout":
			return nil, context.DeadlineExceeded
		case "a reset":
			return nil, &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
		case "nonsense":
			return nil, errors.New("malformed HTTP response")
		case "a cancellation":
			<-r.Context().Done()
			return nil, r.Context().Err()
		case "a break":
			response.Body = io.NopCloser(breaking{})
		}
		if e.reads == "empty" {
			response.Body = http.NoBody
		}
		return response, nil
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// breaking is a body whose connection breaks.
type breaking struct{}

func (breaking) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// make makes the request through the transport and reads what comes.
func (e errand) make(t *testing.T, through http.RoundTripper) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if e.trace != "no trace" {
		ctx = trace.ContextWithSpanContext(ctx, caller(e.trace))
	}
	if e.comes == "a cancellation" {
		cancel()
	}
	var body io.Reader
	if e.body == "some" {
		body = strings.NewReader("an order")
	}
	r, err := http.NewRequestWithContext(ctx, e.method, e.url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Method = e.method // http.NewRequest makes a GET of none
	response, err := through.RoundTrip(r)
	if err != nil {
		return
	}
	if e.reads == "read" {
		_, _ = io.Copy(io.Discard, response.Body)
	}
	_ = response.Body.Close()
}
