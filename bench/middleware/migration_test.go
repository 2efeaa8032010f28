package middleware

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opentracing/opentracing-go"
	"github.com/opentracing/opentracing-go/ext"
	"github.com/uber/jaeger-client-go"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware"
	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// The code of docs/migration.md: a service before, and after.

func ordersByJaeger(tracer opentracing.Tracer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := tracer.Extract(opentracing.HTTPHeaders, opentracing.HTTPHeadersCarrier(r.Header))
		span := tracer.StartSpan("GetOrder", ext.RPCServerOption(caller))
		defer span.Finish()
		id := strings.TrimPrefix(r.URL.Path, "/orders/")
		span.SetTag("order.id", id)
		_, _ = fmt.Fprintf(w, "order %s for %s in %v", id, span.BaggageItem("tenant"), span.Context())
	})
}

func askByJaeger(ctx context.Context, tracer opentracing.Tracer, url string) (*http.Response, error) {
	span, ctx := opentracing.StartSpanFromContextWithTracer(ctx, tracer, "ask for order", ext.SpanKindRPCClient)
	defer span.Finish()
	span.SetBaggageItem("tenant", "north & south")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if err := tracer.Inject(span.Context(), opentracing.HTTPHeaders, opentracing.HTTPHeadersCarrier(r.Header)); err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(r)
}

func ordersByOtelhttp() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		trace.SpanFromContext(r.Context()).SetAttributes(attribute.String("order.id", r.PathValue("id")))
		_, _ = fmt.Fprintf(w, "order %s", r.PathValue("id"))
	})
	return otelhttp.NewHandler(mux, "orders")
}

func ordersByHand() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		traceID, spanID := r.Header.Get("X-Trace-Id"), rand.Text()[:16]
		if traceID == "" {
			traceID = fmt.Sprintf("%032x", time.Now().UnixNano())
		}
		w.Header().Set("X-Trace-Id", traceID)
		log.Printf("trace=%s span=%s parent=%s GET %s", traceID, spanID, r.Header.Get("X-Parent-Span-Id"), r.URL.Path)
		_, _ = fmt.Fprintf(w, "order %s", strings.TrimPrefix(r.URL.Path, "/orders/"))
	})
}

func orders(telemetry *middleware.Telemetry) (http.Handler, error) {
	observe, err := httpmw.NewMiddleware(httpmw.WithTelemetry(telemetry))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		trace.SpanFromContext(r.Context()).SetAttributes(attribute.String("order.id", r.PathValue("id")))
		tenant := baggage.FromContext(r.Context()).Member("tenant").Value()
		_, _ = fmt.Fprintf(w, "order %s for %s", r.PathValue("id"), tenant)
	})
	return observe(mux), nil
}

func ask(ctx context.Context, telemetry *middleware.Telemetry, url string) (*http.Response, error) {
	transport, err := httpmw.NewTransport(nil, httpmw.WithTelemetry(telemetry))
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: transport} // made once
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return client.Do(r)
}

// moved is telemetry of a service that has moved, beside others that have not.
func moved(t *testing.T, propagators string, options ...middleware.Option) *middleware.Telemetry {
	t.Helper()
	environment := map[string]string{
		"OTEL_PROPAGATORS": propagators, "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none",
	}
	telemetry, err := middleware.Setup(t.Context(), append(options, middleware.WithServiceName("order"), middleware.WithLogWriter(io.Discard),
		middleware.WithoutGlobals(), middleware.WithGetenv(func(name string) (string, bool) {
			value, set := environment[name]
			return value, set
		}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := telemetry.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return telemetry
}

func start(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL + "/orders/42"
}

func startMoved(t *testing.T, telemetry *middleware.Telemetry) string {
	t.Helper()
	handler, err := orders(telemetry)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, handler)
}

// read gives the body of an answer, and the trace that it tells.
func read(t *testing.T, response *http.Response, err error) (body, traceID string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), response.Header.Get("X-Trace-Id")
}

func jaegerTracer(t *testing.T) (opentracing.Tracer, *jaeger.InMemoryReporter) {
	t.Helper()
	reporter := jaeger.NewInMemoryReporter()
	tracer, closer := jaeger.NewTracer("order", jaeger.NewConstSampler(true), reporter)
	t.Cleanup(func() {
		if err := closer.Close(); err != nil {
			t.Error(err)
		}
	})
	return tracer, reporter
}

// A service with jaeger-client-go and one that has moved share traces and
// baggage both ways.
func TestTracesCrossToAndFromJaegersClient(t *testing.T) {
	telemetry := moved(t, "jaeger,tracecontext,baggage")
	tracer, reporter := jaegerTracer(t)
	response, err := askByJaeger(t.Context(), tracer, startMoved(t, telemetry)) //nolint:bodyclose // read closes it
	body, traceID := read(t, response, err)
	asked := reporter.GetSpans()[0].Context().(jaeger.SpanContext)
	if want := fmt.Sprintf("%032s", asked.TraceID()); traceID != want {
		t.Errorf("the trace is %s, and the caller's %s", traceID, want)
	}
	if body != "order 42 for north & south" {
		t.Errorf("answered %q", body)
	}

	ctx, span := telemetry.TracerProvider().Tracer("test").Start(t.Context(), "shop")
	defer span.End()
	tenant, err := baggage.NewMemberRaw("tenant", "east")
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.New(tenant)
	if err != nil {
		t.Fatal(err)
	}
	response, err = ask(baggage.ContextWithBaggage(ctx, bag), telemetry, start(t, ordersByJaeger(tracer))) //nolint:bodyclose // read closes it
	body, _ = read(t, response, err)
	trace := strings.TrimLeft(span.SpanContext().TraceID().String(), "0")
	if !strings.HasPrefix(body, "order 42 for east in ") || !strings.Contains(body, trace) {
		t.Errorf("answered %q, want tenant east and trace %s", body, trace)
	}
}

func TestTracesCrossToAndFromHandWrittenHeaders(t *testing.T) {
	telemetry := moved(t, "plain,tracecontext,baggage")
	const id = "0af7651916cd43dd8448eb211c80319c"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, startMoved(t, telemetry), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Trace-Id", id)
	response, err := http.DefaultClient.Do(r) //nolint:bodyclose // read closes it
	if _, traceID := read(t, response, err); traceID != id {
		t.Errorf("the trace is %s, and the caller's %s", traceID, id)
	}
	ctx, span := telemetry.TracerProvider().Tracer("test").Start(t.Context(), "shop")
	defer span.End()
	response, err = ask(ctx, telemetry, start(t, ordersByHand())) //nolint:bodyclose // read closes it
	if _, traceID := read(t, response, err); traceID != span.SpanContext().TraceID().String() {
		t.Errorf("the trace is %s, and the caller's %s", traceID, span.SpanContext().TraceID())
	}
}

func TestMovedFromOtelhttpAnswersTheSame(t *testing.T) {
	for name, url := range map[string]string{"before": start(t, ordersByOtelhttp()), "after": startMoved(t, moved(t, "tracecontext"))} {
		response, err := ask(t.Context(), moved(t, "tracecontext"), url) //nolint:bodyclose // read closes it
		if body, _ := read(t, response, err); !strings.HasPrefix(body, "order 42") {
			t.Errorf("%s: answered %q", name, body)
		}
	}
}

// The code in the guide is that of this folder.
func TestGuidesCodeRuns(t *testing.T) {
	guide, err := os.ReadFile("../../docs/migration.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(text)
	}
	blocks := strings.Split(string(guide), "\n```go\n")[1:]
	if len(blocks) < 5 {
		t.Errorf("%d blocks of code, want more", len(blocks))
	}
	for _, block := range blocks {
		if text, _, closed := strings.Cut(block, "```\n"); !closed || !strings.Contains(code.String(), text) {
			t.Errorf("no test has:\n%s", text)
		}
	}
}
