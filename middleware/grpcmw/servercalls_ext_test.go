package grpcmw_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	otelcodes "go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/middleware/grpcmw"
	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
)

func newWholeRig() *rig {
	r := newRig()
	r.whole = true
	return r
}

func outOfOrders(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	panic("out of orders")
}

// checkPanicked checks the span and the series of a call whose handler has
// panicked.
func checkPanicked(t *testing.T, side *telemetry, status string) {
	t.Helper()
	span := side.onlySpan(t)
	if want := (sdktrace.Status{Code: otelcodes.Error, Description: "handler panicked"}); span.Status() != want {
		t.Errorf("span status is %+v", span.Status())
	}
	if got := instrumenttest.Attributes(span.Attributes()); got["error.type"] != "panic" || got["rpc.response.status_code"] != status {
		t.Errorf("attributes are %v, want a panic and %s", got, status)
	}
	seen := events(span)
	if len(seen) != 1 || seen[0].Name != "exception" || seen[0].Attributes["exception.type"] != "string" ||
		seen[0].Attributes["exception.message"] != "out of orders" || !strings.Contains(seen[0].Attributes["exception.stacktrace"], "servercalls_ext_test.go") {
		t.Errorf("events are %v, want the panic with its stack", seen)
	}
	series := side.Series(t, serverMetric)
	if len(series) != 1 || series[0].Labels["error_type"] != "panic" || series[0].Labels["rpc_response_status_code"] != status {
		t.Errorf("series are %+v", series)
	}
}

func TestPanicIsAnsweredWithInternal(t *testing.T) {
	for _, kind := range []string{"unary", "stream"} {
		t.Run(kind, func(t *testing.T) {
			r := newWholeRig()
			r.serverOptions = []grpcmw.Option{grpcmw.WithRecovery()}
			r.impl.unary = outOfOrders
			r.impl.duplex = func() error { panic("out of orders") }
			client := r.start(t)
			var err error
			if kind == "unary" {
				_, err = client.UnaryCall(t.Context(), &testpb.SimpleRequest{})
			} else {
				stream, failed := client.FullDuplexCall(t.Context())
				if failed != nil {
					t.Fatal(failed)
				}
				_, err = stream.Recv()
			}
			if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "orders") {
				t.Errorf("the caller learns %v, want INTERNAL and no more", err)
			}
			r.settle()
			checkPanicked(t, r.server, "INTERNAL")
		})
	}
}

func TestPanicGoesOnToTheServicesOwnInterceptor(t *testing.T) {
	r := newWholeRig()
	r.impl.unary = outOfOrders
	r.grpcOptions = []grpc.ServerOption{grpc.ChainUnaryInterceptor(
		func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (response any, err error) {
			defer func() {
				if cause := recover(); cause != nil {
					err = status.Error(codes.DataLoss, fmt.Sprint(cause))
				}
			}()
			return handler(ctx, request)
		})}
	client := r.start(t)
	if _, err := client.UnaryCall(t.Context(), &testpb.SimpleRequest{}); status.Code(err) != codes.DataLoss {
		t.Error(err)
	}
	r.settle()
	checkPanicked(t, r.server, "DATA_LOSS")
}

type missing struct{ table string }

func (m *missing) Error() string { return "no table " + m.table }

// contrib#4534: a stats handler sees the status that is sent, not the error.
func TestErrorBehindTheStatusIsSeen(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want []event
	}{
		{"an error of the service", fmt.Errorf("load order: %w", &missing{"orders"}), []event{{"exception", map[string]string{
			"exception.type": "*grpcmw_test.missing", "exception.message": "load order: no table orders",
		}}}},
		{"one around a status", fmt.Errorf("ask stock: %w", status.Error(codes.Unavailable, "gone")), []event{{"exception", map[string]string{
			"exception.type": "*status.Error", "exception.message": "ask stock: rpc error: code = Unavailable desc = gone",
		}}}},
		{"a status says all", status.Error(codes.Internal, "because"), nil},
		{"no error of the server", fmt.Errorf("load order: %w", status.Error(codes.NotFound, "because")), nil},
		{"none", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newWholeRig()
			r.impl.unary = func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
				return &testpb.SimpleResponse{}, tt.err
			}
			// What the service's own interceptor makes of it is sent, and hides it.
			r.grpcOptions = []grpc.ServerOption{grpc.ChainUnaryInterceptor(
				func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
					response, err := handler(ctx, request)
					if err != nil {
						err = status.Error(status.Code(err), "sorry")
					}
					return response, err
				})}
			client := r.start(t)
			if _, err := client.UnaryCall(t.Context(), &testpb.SimpleRequest{}); status.Code(err) != status.Code(tt.err) {
				t.Error(err)
			}
			r.settle()
			if diff := cmp.Diff(tt.want, events(r.server.onlySpan(t))); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}
