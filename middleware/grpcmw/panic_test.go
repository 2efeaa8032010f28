package grpcmw

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/stats"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

type recorded struct {
	provider trace.TracerProvider
	registry *prometheus.Registry
}

func (r recorded) TracerProvider() trace.TracerProvider    { return r.provider }
func (recorded) Propagator() propagation.TextMapPropagator { return propagation.TraceContext{} }
func (r recorded) Registerer() prometheus.Registerer       { return r.registry }

// A panic that nobody recovers from ends the process, so gRPC is played here: it
// ends the call without an error while the panic passes.
func TestPanicThatNobodyRecoversFrom(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	source := recorded{sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)), prometheus.NewRegistry()}
	o, err := newObserver(trace.SpanKindServer, semconv.RPCServerCallDuration, serverError, []Option{WithTelemetry(source)})
	if err != nil {
		t.Fatal(err)
	}
	handler := &serverHandler{observer: o}
	ctx := handler.TagRPC(t.Context(), &stats.RPCTagInfo{FullMethodName: "/shop.v1.OrderService/GetOrder"})
	handler.HandleRPC(ctx, &stats.Begin{})
	func() {
		defer func() {
			if cause := recover(); cause != "out of orders" {
				t.Errorf("the panic that goes on is %v", cause)
			}
		}()
		defer handler.HandleRPC(ctx, &stats.End{})
		_, _ = o.unary(ctx, nil, nil, func(context.Context, any) (any, error) { panic("out of orders") })
	}()
	ended := spans.Ended()
	if len(ended) != 1 || ended[0].Status().Code != codes.Error || len(ended[0].Events()) != 1 {
		t.Fatalf("spans are %v, want one that is an error with an event", ended)
	}
	families, err := source.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{}
	for _, label := range families[0].GetMetric()[0].GetLabel() {
		labels[label.GetName()] = label.GetValue()
	}
	if labels["rpc_response_status_code"] != "INTERNAL" || labels["error_type"] != "panic" {
		t.Errorf("the series is %v, want INTERNAL and panic", labels)
	}
}
