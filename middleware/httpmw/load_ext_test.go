package httpmw_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// TestTenThousandRequestsAtOnce has 10,000 requests in the same handler at the
// same time, through client and server, each in a trace of its own. None may be
// missing, be in another's trace, or tell of another.
func TestTenThousandRequestsAtOnce(t *testing.T) {
	o := newTelemetry()
	flood(t, o, unasking{o}, 10_000)
}

// The same, while samplers may look at the attributes.
func TestThousandRequestsAtOnceWithAttributesAtTheStart(t *testing.T) {
	o := newTelemetry()
	flood(t, o, o, 1_000)
}

func flood(t *testing.T, o *telemetry, source httpmw.Telemetry, requests int) {
	t.Helper()
	to := httpmw.WithTelemetry(source)
	observe, err := httpmw.NewMiddleware(to)
	if err != nil {
		t.Fatal(err)
	}
	var inside sync.WaitGroup
	inside.Add(requests)
	handler := observe(mux("/orders/{id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inside.Done()
		inside.Wait() // for all the others
		_, _ = fmt.Fprint(w, trace.SpanContextFromContext(r.Context()).TraceID())
	})))
	transport, err := httpmw.NewTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		incoming := r.Clone(r.Context())
		incoming.RemoteAddr = "192.0.2.1:1"
		handler.ServeHTTP(w, incoming)
		response := w.Result()
		response.Request = r
		return response, nil
	}), to)
	if err != nil {
		t.Fatal(err)
	}
	tracer := o.TracerProvider().Tracer("test")
	var all sync.WaitGroup
	for i := range requests {
		all.Go(func() {
			ctx, span := tracer.Start(t.Context(), "caller", trace.WithNewRoot())
			defer span.End()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://shop.example/orders/%d", i), nil)
			if err != nil {
				t.Error(err)
				return
			}
			response, err := transport.RoundTrip(r)
			if err != nil {
				t.Error(err)
				return
			}
			text, err := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if err != nil || string(text) != span.SpanContext().TraceID().String() {
				t.Errorf("request %d: answered %q, %v; want its trace, %v", i, text, err, span.SpanContext().TraceID())
			}
		})
	}
	all.Wait()
	checkFlood(t, o, requests)
}

func checkFlood(t *testing.T, o *telemetry, requests int) {
	t.Helper()
	paths := map[trace.TraceID]string{} // what client and server say of the request of a trace
	spans := map[trace.SpanKind]int{}
	for _, span := range o.Spans.Ended() {
		spans[span.SpanKind()]++
		got := attributes(span)
		path := got["url.path"]
		if span.SpanKind() == trace.SpanKindClient {
			path = strings.TrimPrefix(got["url.full"], "http://shop.example")
		}
		if path == "" {
			continue
		}
		id := span.SpanContext().TraceID()
		if other, seen := paths[id]; seen && other != path {
			t.Errorf("trace %v is of %s and of %s", id, other, path)
		}
		paths[id] = path
	}
	if spans[trace.SpanKindClient] != requests || spans[trace.SpanKindServer] != requests || len(paths) != requests {
		t.Errorf("%v spans by kind in %d traces, want %d of client and server each, and as many traces", spans, len(paths), requests)
	}
	for name, want := range map[string]float64{serverDuration: float64(requests), clientDuration: float64(requests), activeRequests: 0} {
		series := o.series(t, name)
		for labels, got := range series {
			if len(series) != 1 || got != want {
				t.Errorf("%s{%s} is %v of %d series, want %v of one", name, labels, got, len(series), want)
			}
		}
	}
}

// Trailers cross server and client, over both versions of HTTP.
func TestTrailersCross(t *testing.T) {
	overBoth(t, func(t *testing.T, serve func(http.Handler) *httptest.Server) {
		o := newTelemetry()
		server := serve(o.middleware(t)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Trailer", "X-Sum")
			_, _ = io.WriteString(w, "order 42")
			w.Header().Set("X-Sum", r.Trailer.Get("X-Asked"))
			w.Header().Set(http.TrailerPrefix+"X-Late", "7")
		})))
		body := struct{ io.Reader }{strings.NewReader("order")} // whose length nobody knows
		r := newRequest(t, http.MethodPost, server.URL, body)
		r.Trailer = http.Header{"X-Asked": {"42"}}
		response, err := o.client(t, server.Client().Transport).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		if response.Trailer.Get("X-Sum") != "42" || response.Trailer.Get("X-Late") != "7" {
			t.Errorf("trailers are %v", response.Trailer)
		}
	})
}
