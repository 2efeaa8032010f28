package httpmw_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// finished prints the spans that a request has left.
func finished(o *telemetry) {
	for _, span := range o.Spans.Ended() {
		fmt.Println(span.SpanKind(), span.Name())
	}
}

func visit(handler http.Handler, target string) {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, target, nil)
	handler.ServeHTTP(httptest.NewRecorder(), r)
}

// The middleware finds the route in the mux that it wraps.
func ExampleNewMiddleware() {
	telemetry := newTelemetry() // middleware.Setup, outside of tests
	observe, err := httpmw.NewMiddleware(
		httpmw.WithTelemetry(telemetry),
		httpmw.WithFilter(func(r *http.Request) bool { return r.URL.Path != "/healthz" }),
	)
	if err != nil {
		log.Print(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.PathValue("id"))
	})
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})

	visit(observe(mux), "/orders/42")
	visit(observe(mux), "/healthz")
	finished(telemetry)
	// Output:
	// server GET /orders/{id}
}

// Another router tells its route itself.
func ExampleSetRoute() {
	telemetry := newTelemetry()
	observe, err := httpmw.NewMiddleware(httpmw.WithTelemetry(telemetry))
	if err != nil {
		log.Print(err)
		return
	}
	router := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/orders/") {
			httpmw.SetRoute(r.Context(), "/orders/{id}")
		}
	})
	visit(observe(router), "/orders/42")
	finished(telemetry)
	// Output:
	// server GET /orders/{id}
}

// StripPrefix hands on a copy of the request, which the middleware does not
// see.
func ExampleReportRoute() {
	telemetry := newTelemetry()
	observe, err := httpmw.NewMiddleware(httpmw.WithTelemetry(telemetry))
	if err != nil {
		log.Print(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(http.ResponseWriter, *http.Request) {})

	visit(observe(http.StripPrefix("/api", httpmw.ReportRoute(mux))), "/api/orders/42")
	finished(telemetry)
	// Output:
	// server GET /orders/{id}
}

// The trace goes to the service's own hosts only.
func ExampleNewTransport() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, len(r.Header["Traceparent"]))
	}))
	defer server.Close()
	telemetry := newTelemetry()

	transport, err := httpmw.NewTransport(nil,
		httpmw.WithTelemetry(telemetry),
		httpmw.WithPropagateTo(func(host string) bool { return host == "127.0.0.1" || strings.HasSuffix(host, ".internal") }),
	)
	if err != nil {
		log.Print(err)
		return
	}
	client := &http.Client{Transport: transport}

	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL, nil)
	if err != nil {
		log.Print(err)
		return
	}
	response, err := client.Do(r)
	if err != nil {
		log.Print(err)
		return
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	fmt.Printf("the server got %s traceparent, error %v\n", body, err)
	finished(telemetry)
	// Output:
	// the server got 1 traceparent, error <nil>
	// client GET
}
