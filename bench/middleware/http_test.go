package middleware

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// shop is the service that is observed.
func shop() http.Handler {
	mux := http.NewServeMux()
	hello := []byte("hello")
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(hello) })
	return mux
}

// handler is the shop as the library observes it.
func handler(tb testing.TB, library string, t telemetry) http.Handler {
	tb.Helper()
	switch library {
	case waybill:
		observe, err := httpmw.NewMiddleware(httpmw.WithTelemetry(t))
		if err != nil {
			tb.Fatal(err)
		}
		return observe(shop())
	case otel:
		return otelhttp.NewHandler(shop(), "shop",
			otelhttp.WithTracerProvider(t.traces), otelhttp.WithMeterProvider(t.meters), otelhttp.WithPropagators(t.Propagator()))
	}
	return shop()
}

// transport is base as the library observes it.
func transport(tb testing.TB, library string, t telemetry, base http.RoundTripper) http.RoundTripper {
	tb.Helper()
	switch library {
	case waybill:
		observed, err := httpmw.NewTransport(base, httpmw.WithTelemetry(t))
		if err != nil {
			tb.Fatal(err)
		}
		return observed
	case otel:
		return otelhttp.NewTransport(base,
			otelhttp.WithTracerProvider(t.traces), otelhttp.WithMeterProvider(t.meters), otelhttp.WithPropagators(t.Propagator()))
	}
	return base
}

// incoming is a request as a server gets it.
func incoming(mode string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "http://shop.example:8080/orders/42?full=1", nil)
	r.Header.Set("Traceparent", traceparent(mode))
	r.Header.Set("User-Agent", "bench")
	r.Header.Set("Accept", "*/*")
	return r
}

// outgoing is a request as a client makes it.
func outgoing(tb testing.TB, mode string) *http.Request {
	tb.Helper()
	ctx := trace.ContextWithSpanContext(context.Background(), caller(mode))
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://shop.example:8080/orders/42?full=1", nil)
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Accept", "*/*")
	return r
}

// sink is a response writer that costs nothing.
type sink http.Header

func (w sink) Header() http.Header       { return http.Header(w) }
func (sink) Write(p []byte) (int, error) { return len(p), nil }
func (sink) WriteHeader(int)             {}

// instant is a round tripper that answers at once.
type instant struct{}

func (instant) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Body: io.NopCloser(end{}), Request: r}, nil
}

type end struct{}

func (end) Read([]byte) (int, error) { return 0, io.EOF }

// roundTrip makes a request and reads its answer.
func roundTrip(tb testing.TB, transport http.RoundTripper, r *http.Request, buf []byte) {
	response, err := transport.RoundTrip(r)
	if err != nil {
		tb.Fatal(err)
	}
	for err == nil {
		_, err = response.Body.Read(buf)
	}
	_ = response.Body.Close()
}

// each runs a benchmark for each library under each condition, named so that
// benchstat can put the libraries side by side.
func each(b *testing.B, run func(b *testing.B, mode, library string)) {
	b.Helper()
	for _, mode := range modes {
		for _, library := range []string{bare, waybill, otel} {
			b.Run("spans="+mode+"/by="+library, func(b *testing.B) { run(b, mode, library) })
		}
	}
}

func BenchmarkHTTPServer(b *testing.B) {
	each(b, func(b *testing.B, mode, library string) {
		h, w, r := handler(b, library, newTelemetry(mode, drop{})), sink{}, incoming(mode)
		measure(b, func() { h.ServeHTTP(w, r) })
	})
}

func BenchmarkHTTPClient(b *testing.B) {
	each(b, func(b *testing.B, mode, library string) {
		t, r, buf := transport(b, library, newTelemetry(mode, drop{}), instant{}), outgoing(b, mode), make([]byte, 64)
		measure(b, func() { roundTrip(b, t, r, buf) })
	})
}

// BenchmarkHTTPRoundTrip is a request over a real connection that is observed
// at both ends.
func BenchmarkHTTPRoundTrip(b *testing.B) {
	each(b, func(b *testing.B, mode, library string) {
		t := newTelemetry(mode, drop{})
		server := httptest.NewServer(handler(b, library, t))
		defer server.Close()
		base := &http.Transport{}
		defer base.CloseIdleConnections()
		observed, buf := transport(b, library, t, base), make([]byte, 64)
		r := outgoing(b, mode)
		r.URL.Host = server.Listener.Addr().String()
		measure(b, func() { roundTrip(b, observed, r, buf) })
	})
}
