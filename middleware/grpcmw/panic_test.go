package grpcmw

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/stats"

	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// A panic that nobody recovers from ends the process, so gRPC is played here: it
// ends the call without an error while the panic passes.
func TestPanicThatNobodyRecoversFrom(t *testing.T) {
	source := instrumenttest.New()
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
	ended := source.Spans.Ended()
	if len(ended) != 1 || ended[0].Status().Code != codes.Error || len(ended[0].Events()) != 1 {
		t.Fatalf("spans are %v, want one that is an error with an event", ended)
	}
	series := source.Series(t, semconv.RPCServerCallDuration.Prometheus())
	if len(series) != 1 {
		t.Fatalf("series are %+v, want one", series)
	}
	labels := series[0].Labels
	if labels["rpc_response_status_code"] != "INTERNAL" || labels["error_type"] != "panic" {
		t.Errorf("the series is %v, want INTERNAL and panic", labels)
	}
}
