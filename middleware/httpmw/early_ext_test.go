package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// unasking is telemetry whose sampler does not look at attributes.
type unasking struct{ *telemetry }

func (unasking) AttributesAtStart() bool { return false }

// counting is a sampler that counts the attributes it is asked about.
type counting struct {
	sdktrace.Sampler
	attributes int
}

func (c *counting) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	c.attributes += len(p.Attributes)
	return c.Sampler.ShouldSample(p)
}

// TestSpansAreTheSameWhenNobodyLooksAtTheirStart makes the same requests with
// attributes at the start of spans and without.
func TestSpansAreTheSameWhenNobodyLooksAtTheirStart(t *testing.T) {
	spans := func(sampler sdktrace.Sampler, source func(*telemetry) httpmw.Telemetry) map[string]map[string]string {
		o := newTelemetry(sdktrace.WithSampler(sampler))
		options := []httpmw.Option{httpmw.WithClientAddress(func(*http.Request) string { return "10.0.0.1" }), httpmw.WithTelemetry(source(o))}
		observe, err := httpmw.NewMiddleware(options...)
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.HandleFunc("/orders/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
		outside := http.NewServeMux()
		outside.Handle("GET /orders", observe(http.HandlerFunc(nothing)))
		outside.Handle("/", observe(mux))
		server := serve(t, outside)
		transport, err := httpmw.NewTransport(nil, options...)
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: transport}
		get(t, client, server.URL+"/orders/42?full=1&sig=secret")
		get(t, client, server.URL+"/orders")
		do(t, client, newRequest(t, "BREW", server.URL+"/orders/42", nil))
		eventually(t, "all spans end", func() bool { return len(o.Spans.Ended()) == 6 })
		all := map[string]map[string]string{}
		for _, span := range o.Spans.Ended() {
			m := attributes(span)
			for _, changing := range []string{"network.peer.port", "server.port", "url.full"} {
				if m[changing] != "" {
					m[changing] = "is there"
				}
			}
			all[span.Name()+" of "+m["http.request.method_original"]+", "+m["http.response.status_code"]+" by a "+span.SpanKind().String()] = m
		}
		return all
	}
	asked, unasked := &counting{Sampler: sdktrace.AlwaysSample()}, &counting{Sampler: sdktrace.AlwaysSample()}
	want := spans(asked, func(o *telemetry) httpmw.Telemetry { return o })
	got := spans(unasked, func(o *telemetry) httpmw.Telemetry { return unasking{o} })
	if diff := cmp.Diff(want, got); diff != "" || len(got) != 6 {
		t.Errorf("%d spans, want 6 that are alike (-at start +later):\n%s", len(got), diff)
	}
	if asked.attributes < 20 || unasked.attributes != 0 {
		t.Errorf("samplers were asked about %d and %d attributes, want many and none", asked.attributes, unasked.attributes)
	}
}

// What waits for the end of a span gives way to what the service's own code has
// said meanwhile, and says no less beside it.
func TestWhatTheHandlerSaysOfTheRequestStays(t *testing.T) {
	for name, source := range map[string]func(*telemetry) httpmw.Telemetry{
		"at the end":   func(o *telemetry) httpmw.Telemetry { return unasking{o} },
		"at the start": func(o *telemetry) httpmw.Telemetry { return o },
	} {
		o := newTelemetry()
		observe, err := httpmw.NewMiddleware(httpmw.WithTelemetry(source(o)))
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://shop.example/orders/42?token=secret", nil)
		observe(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			trace.SpanFromContext(r.Context()).SetAttributes(
				attribute.String("url.query", "token=hidden"), attribute.String("order.id", "42"), attribute.Int("http.response.status_code", 7))
			r.URL.Path = "/changed"
		})).ServeHTTP(httptest.NewRecorder(), r)
		got := attributes(o.span(t))
		for key, want := range map[string]string{
			"url.query": "token=hidden", "url.path": "/orders/42", "order.id": "42", "http.request.method": "GET", "http.response.status_code": "200",
		} {
			if got[key] != want {
				t.Errorf("%s: %s = %q, want %q", name, key, got[key], want)
			}
		}
	}
}

// unaskedMeasured is telemetry that forgets and whose sampler does not look.
type unaskedMeasured struct{ measured }

func (unaskedMeasured) AttributesAtStart() bool { return false }

// These are the ceilings of a service that middleware.Setup has set up.
func TestAllocationsHaveALowerCeilingWhenNobodyLooks(t *testing.T) {
	bareHandler, bareTransport := handlers(t)["bare"], transports(t)["bare"]
	w, r, buf := sinkWriter{http.Header{}}, measuredRequest(), make([]byte, 1)
	runs := func(do func()) float64 { return testing.AllocsPerRun(300, do) }
	for name, most := range map[string]struct{ server, transport float64 }{
		"none": {2, 5}, "unsampled": {4 + forgetful, 6 + forgetful}, "sampled": {9 + forgetful, 9 + forgetful},
	} {
		to := httpmw.WithTelemetry(unaskedMeasured{newMeasured(providers()[name])})
		observe, err := httpmw.NewMiddleware(to)
		if err != nil {
			t.Fatal(err)
		}
		transport, err := httpmw.NewTransport(bareTransport, to)
		if err != nil {
			t.Fatal(err)
		}
		handler := observe(bareHandler)
		bare := runs(func() { bareHandler.ServeHTTP(w, r) })
		if got := runs(func() { handler.ServeHTTP(w, r) }) - bare; got > most.server {
			t.Errorf("%s: the handler allocates %v times, more than %v", name, got, most.server)
		}
		bare = runs(func() { roundTrip(bareTransport, r, buf) })
		if got := runs(func() { roundTrip(transport, r, buf) }) - bare; got > most.transport {
			t.Errorf("%s: the transport allocates %v times, more than %v", name, got, most.transport)
		}
	}
}
