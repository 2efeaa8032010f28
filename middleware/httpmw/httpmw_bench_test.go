package httpmw_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// measured is telemetry that forgets.
type measured struct {
	provider   trace.TracerProvider
	propagator propagation.TextMapPropagator
	registry   *prometheus.Registry
}

func newMeasured(provider trace.TracerProvider) measured {
	return measured{
		provider: provider, registry: prometheus.NewRegistry(),
		propagator: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
	}
}

func (m measured) TracerProvider() trace.TracerProvider      { return m.provider }
func (m measured) Propagator() propagation.TextMapPropagator { return m.propagator }
func (m measured) Registerer() prometheus.Registerer         { return m.registry }

// providers are what an application may have: nothing, an SDK that does not
// sample, one that does.
func providers() map[string]trace.TracerProvider {
	return map[string]trace.TracerProvider{
		"none":      noop.NewTracerProvider(),
		"unsampled": sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())),
		"sampled":   sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.AlwaysSample()), sdktrace.WithSpanProcessor(drop{})),
	}
}

// drop is a processor, as without one the SDK records nothing.
type drop struct{}

func (drop) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (drop) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (drop) ForceFlush(context.Context) error                { return nil }
func (drop) Shutdown(context.Context) error                  { return nil }

// sinkWriter is a response writer that costs nothing.
type sinkWriter struct{ header http.Header }

func (w sinkWriter) Header() http.Header       { return w.header }
func (sinkWriter) Write(p []byte) (int, error) { return len(p), nil }
func (sinkWriter) WriteHeader(int)             {}

// handlers are a bare one and one observed with each provider.
func handlers(tb testing.TB) map[string]http.Handler {
	tb.Helper()
	mux := http.NewServeMux()
	hello := []byte("hello")
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(hello) })
	all := map[string]http.Handler{"bare": mux}
	for name, provider := range providers() {
		observe, err := httpmw.NewMiddleware(httpmw.WithTelemetry(newMeasured(provider)))
		if err != nil {
			tb.Fatal(err)
		}
		all[name] = observe(mux)
	}
	return all
}

func measuredRequest() *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "http://shop.example:8080/orders/42?full=1", nil)
	traceparent, _ := remote()
	r.Header.Set("Traceparent", traceparent)
	r.Header.Set("User-Agent", "bench")
	return r
}

func BenchmarkHandler(b *testing.B) {
	for name, handler := range handlers(b) {
		b.Run(name, func(b *testing.B) {
			w, r := sinkWriter{http.Header{}}, measuredRequest()
			b.ReportAllocs()
			for b.Loop() {
				handler.ServeHTTP(w, r)
			}
		})
	}
}

// transports are a bare one, which answers at once, and one observed with each
// provider.
func transports(tb testing.TB) map[string]http.RoundTripper {
	tb.Helper()
	bare := roundTripper(func(r *http.Request) (*http.Response, error) {
		return answer(r, io.NopCloser(eof{})), nil
	})
	all := map[string]http.RoundTripper{"bare": bare}
	for name, provider := range providers() {
		transport, err := httpmw.NewTransport(bare, httpmw.WithTelemetry(newMeasured(provider)))
		if err != nil {
			tb.Fatal(err)
		}
		all[name] = transport
	}
	return all
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

func roundTrip(transport http.RoundTripper, r *http.Request, buf []byte) {
	response, err := transport.RoundTrip(r)
	if err != nil {
		panic(err)
	}
	_, _ = response.Body.Read(buf)
	_ = response.Body.Close()
}

func BenchmarkTransport(b *testing.B) {
	for name, transport := range transports(b) {
		b.Run(name, func(b *testing.B) {
			r, buf := measuredRequest(), make([]byte, 1)
			b.ReportAllocs()
			for b.Loop() {
				roundTrip(transport, r, buf)
			}
		})
	}
}

// BenchmarkNetwork is a request over a real connection, observed on both ends.
func BenchmarkNetwork(b *testing.B) {
	handlers, transports := handlers(b), map[string]http.RoundTripper{"bare": http.DefaultTransport}
	for name, provider := range providers() {
		transport, err := httpmw.NewTransport(nil, httpmw.WithTelemetry(newMeasured(provider)))
		if err != nil {
			b.Fatal(err)
		}
		transports[name] = transport
	}
	for name, handler := range handlers {
		b.Run(name, func(b *testing.B) {
			server := httptest.NewServer(handler)
			defer server.Close()
			r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, server.URL+"/orders/42", nil)
			if err != nil {
				b.Fatal(err)
			}
			buf := make([]byte, 64)
			b.ReportAllocs()
			for b.Loop() {
				response, err := transports[name].RoundTrip(r)
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = response.Body.Read(buf)
				}
				_ = response.Body.Close()
			}
		})
	}
}

func TestAllocationsHaveACeiling(t *testing.T) {
	handlers, transports := handlers(t), transports(t)
	for _, test := range []struct {
		name              string
		server, transport float64
	}{
		{"none", 1, 5},
		{"unsampled", 4 + forgetful, 7 + forgetful},
		{"sampled", 10 + forgetful, 11 + forgetful},
	} {
		w, r, buf := sinkWriter{http.Header{}}, measuredRequest(), make([]byte, 1)
		runs := func(do func()) float64 { return testing.AllocsPerRun(300, do) }
		bare := runs(func() { handlers["bare"].ServeHTTP(w, r) })
		if got := runs(func() { handlers[test.name].ServeHTTP(w, r) }) - bare; got > test.server {
			t.Errorf("%s: the handler allocates %v times, more than %v", test.name, got, test.server)
		}
		bare = runs(func() { roundTrip(transports["bare"], r, buf) })
		if got := runs(func() { roundTrip(transports[test.name], r, buf) }) - bare; got > test.transport {
			t.Errorf("%s: the transport allocates %v times, more than %v", test.name, got, test.transport)
		}
	}
}
