package middleware

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/opentracing/opentracing-go"
	"github.com/opentracing/opentracing-go/ext"
	"go.opentelemetry.io/otel/baggage"
	otbridge "go.opentelemetry.io/otel/bridge/opentracing"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware"
	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// bridged is telemetry whose spans are OpenTracing's, too.
type bridged struct {
	*middleware.Telemetry
	provider trace.TracerProvider
}

// TracerProvider is as in middleware.Telemetry.
func (b bridged) TracerProvider() trace.TracerProvider { return b.provider }

// bridge gives the tracer to the half of a service that still uses OpenTracing,
// and the telemetry to httpmw and its like.
func bridge(telemetry *middleware.Telemetry) (bridged, opentracing.Tracer) {
	tracer := otbridge.NewBridgeTracer()
	provider := otbridge.NewTracerProvider(tracer, telemetry.TracerProvider())
	tracer.SetOpenTelemetryTracer(provider.Tracer("order"))
	tracer.SetTextMapPropagator(telemetry.Propagator())
	return bridged{telemetry, provider}, tracer
}

// tellBaggage has OpenTracing's spans know the baggage that a request came with,
// which the bridge does not see to.
func tellBaggage(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		span := opentracing.SpanFromContext(r.Context())
		for _, member := range baggage.FromContext(r.Context()).Members() {
			span.SetBaggageItem(member.Key(), member.Value())
		}
		next.ServeHTTP(w, r)
	})
}

// halfMoved is a service whose server has moved, while what it does, and whom it
// asks, is as it was.
func halfMoved(telemetry *middleware.Telemetry, stock string) (http.Handler, error) {
	moved, tracer := bridge(telemetry)
	observe, err := httpmw.NewMiddleware(httpmw.WithTelemetry(moved))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		span, ctx := opentracing.StartSpanFromContextWithTracer(r.Context(), tracer, "look into stock")
		defer span.Finish()
		span.SetTag("order.id", r.PathValue("id"))
		answer, err := askByOpenTracing(ctx, tracer, stock)
		if err != nil {
			ext.LogError(span, err)
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, answer)
	})
	return observe(tellBaggage(mux)), nil
}

func askByOpenTracing(ctx context.Context, tracer opentracing.Tracer, url string) (string, error) {
	span, ctx := opentracing.StartSpanFromContextWithTracer(ctx, tracer, "ask for stock", ext.SpanKindRPCClient)
	defer span.Finish()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	if err := tracer.Inject(span.Context(), opentracing.HTTPHeaders, opentracing.HTTPHeadersCarrier(r.Header)); err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

// TestOpenTracingsHalfSharesTheTrace has a service on jaeger-client-go call one
// that is half on OpenTracing's API, which calls one that has moved.
func TestOpenTracingsHalfSharesTheTrace(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	telemetry := moved(t, "jaeger,tracecontext,baggage", middleware.WithSpanProcessor(spans))
	handler, err := halfMoved(telemetry, startMoved(t, telemetry))
	if err != nil {
		t.Fatal(err)
	}
	tracer, reporter := jaegerTracer(t)
	response, err := askByJaeger(t.Context(), tracer, start(t, handler)) //nolint:bodyclose // read closes it
	if body, _ := read(t, response, err); body != "order 42 for north & south" {
		t.Errorf("answered %q, want the baggage to have crossed all three", body)
	}

	asked := reporter.GetSpans()[0].Context()
	traceID, spanID, _ := strings.Cut(fmt.Sprint(asked), ":")
	spanID, _, _ = strings.Cut(spanID, ":")
	parent := fmt.Sprintf("%016s", spanID)
	want := []string{"GET /orders/{id}", "look into stock", "ask for stock", "GET /orders/{id}"}
	ended := spans.Ended()
	if len(ended) != len(want) {
		t.Fatalf("%d spans have ended, want %d", len(ended), len(want))
	}
	for i, name := range want { // the caller's before the called's, which ends first
		span := ended[len(ended)-1-i]
		if span.Name() != name || span.Parent().SpanID().String() != parent || strings.TrimLeft(span.SpanContext().TraceID().String(), "0") != strings.TrimLeft(traceID, "0") {
			t.Errorf("span %q of trace %s under %s; want %q of %s under %s",
				span.Name(), span.SpanContext().TraceID(), span.Parent().SpanID(), name, traceID, parent)
		}
		parent = span.SpanContext().SpanID().String()
	}
}
