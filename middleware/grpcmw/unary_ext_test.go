package grpcmw_test

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	otelcodes "go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/middleware/grpcmw"
	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
)

const (
	serverMetric = "rpc_server_call_duration_seconds"
	clientMetric = "rpc_client_call_duration_seconds"
)

func TestUnaryCall(t *testing.T) {
	r := newRig()
	client := r.start(t)
	if _, err := client.UnaryCall(t.Context(), &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	r.settle()

	sent, served := r.client.onlySpan(t), r.server.onlySpan(t)
	if sent.Name() != unaryMethod || served.Name() != unaryMethod {
		t.Errorf("names are %q and %q", sent.Name(), served.Name())
	}
	if sent.SpanKind() != trace.SpanKindClient || served.SpanKind() != trace.SpanKindServer {
		t.Errorf("kinds are %v and %v", sent.SpanKind(), served.SpanKind())
	}
	if served.Parent().SpanID() != sent.SpanContext().SpanID() || !served.Parent().IsRemote() {
		t.Error("the server's span is not the child of the client's")
	}
	if sent.Status().Code != otelcodes.Unset || served.Status().Code != otelcodes.Unset {
		t.Errorf("statuses are %v and %v", sent.Status(), served.Status())
	}
	// An address in memory is called bufconn.
	want := map[string]string{
		"rpc.system.name": "grpc", "rpc.method": unaryMethod, "rpc.response.status_code": "OK",
		"server.address": "shop.example", "server.port": "9001", "network.peer.address": "bufconn",
	}
	if diff := cmp.Diff(want, instrumenttest.Attributes(sent.Attributes())); diff != "" {
		t.Errorf("client's attributes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, instrumenttest.Attributes(served.Attributes())); diff != "" {
		t.Errorf("server's attributes (-want +got):\n%s", diff)
	}
	if scope := served.InstrumentationScope(); scope.Name != "github.com/waybill-dev/waybill/middleware/grpcmw" || scope.SchemaURL == "" {
		t.Errorf("scope is %+v", scope)
	}
}

func TestMetricsHaveBoundedLabelsAndExemplars(t *testing.T) {
	r := newRig()
	client := r.start(t)
	if _, err := client.UnaryCall(t.Context(), &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	r.settle()
	for name, side := range map[string]*telemetry{clientMetric: r.client, serverMetric: r.server} {
		span := side.onlySpan(t).SpanContext()
		want := []instrumenttest.Measured{{
			Labels: map[string]string{
				"rpc_system_name": "grpc", "rpc_method": unaryMethod, "rpc_response_status_code": "OK", "error_type": "",
			},
			Count:    1,
			Exemplar: map[string]string{"trace_id": span.TraceID().String(), "span_id": span.SpanID().String()},
		}}
		if diff := cmp.Diff(want, side.Series(t, name), cmp.AllowUnexported(instrumenttest.Measured{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestUnsampledCallsAreMeasuredWithoutExemplar(t *testing.T) {
	r := newRig()
	r.client = newTelemetry(sdktrace.WithSampler(sdktrace.NeverSample()))
	client := r.start(t)
	if _, err := client.UnaryCall(t.Context(), &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	r.settle()
	if n := len(r.client.Spans.Ended()) + len(r.server.Spans.Ended()); n != 0 {
		t.Errorf("%d spans were recorded: the server must take over the client's decision", n)
	}
	for name, side := range map[string]*telemetry{clientMetric: r.client, serverMetric: r.server} {
		series := side.Series(t, name)
		if len(series) != 1 || series[0].Count != 1 || series[0].Exemplar != nil {
			t.Errorf("%s: %+v, want one measurement without exemplar", name, series)
		}
	}
}

func TestStatusIsAnErrorBySide(t *testing.T) {
	tests := []struct {
		code           codes.Code
		name           string
		client, server bool
	}{
		{codes.OK, "OK", false, false},
		{codes.Canceled, "CANCELLED", true, false},
		{codes.Unknown, "UNKNOWN", true, true},
		{codes.InvalidArgument, "INVALID_ARGUMENT", true, false},
		{codes.DeadlineExceeded, "DEADLINE_EXCEEDED", true, true},
		{codes.NotFound, "NOT_FOUND", true, false},
		{codes.AlreadyExists, "ALREADY_EXISTS", true, false},
		{codes.PermissionDenied, "PERMISSION_DENIED", true, false},
		{codes.ResourceExhausted, "RESOURCE_EXHAUSTED", true, false},
		{codes.FailedPrecondition, "FAILED_PRECONDITION", true, false},
		{codes.Aborted, "ABORTED", true, false},
		{codes.OutOfRange, "OUT_OF_RANGE", true, false},
		{codes.Unimplemented, "UNIMPLEMENTED", true, true},
		{codes.Internal, "INTERNAL", true, true},
		{codes.Unavailable, "UNAVAILABLE", true, true},
		{codes.DataLoss, "DATA_LOSS", true, true},
		{codes.Unauthenticated, "UNAUTHENTICATED", true, false},
		{codes.Code(4711), "UNKNOWN", true, true}, // gRPC does not define it.
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig()
			client := r.start(t)
			var want *testpb.EchoStatus
			if tt.code != codes.OK {
				want = &testpb.EchoStatus{Code: int32(tt.code), Message: "because"}
			}
			if _, err := client.UnaryCall(t.Context(), &testpb.SimpleRequest{ResponseStatus: want}); status.Code(err) != tt.code {
				t.Fatalf("the call ended with %v", err)
			}
			r.settle()
			checkOutcome(t, r.client, clientMetric, tt.name, tt.client)
			checkOutcome(t, r.server, serverMetric, tt.name, tt.server)
		})
	}
}

// checkOutcome checks that span and metric tell of the same status.
func checkOutcome(t *testing.T, side *telemetry, metric, status string, failed bool) {
	t.Helper()
	span := side.onlySpan(t)
	wantType, wantStatus := "", sdktrace.Status{}
	if failed {
		wantType, wantStatus = status, sdktrace.Status{Code: otelcodes.Error, Description: "because"}
	}
	if got := instrumenttest.Attributes(span.Attributes()); got["rpc.response.status_code"] != status || got["error.type"] != wantType {
		t.Errorf("%s: attributes are %v, want status %s and error.type %q", metric, got, status, wantType)
	}
	if got := span.Status(); got != wantStatus {
		t.Errorf("%s: span status is %+v, want %+v", metric, got, wantStatus)
	}
	series := side.Series(t, metric)
	if len(series) != 1 || series[0].Labels["rpc_response_status_code"] != status || series[0].Labels["error_type"] != wantType {
		t.Errorf("%s: series are %+v, want status %s and error_type %q", metric, series, status, wantType)
	}
}

func TestErrorStatusIsDecidedByTheHook(t *testing.T) {
	r := newRig()
	r.clientOptions = []grpcmw.Option{grpcmw.WithErrorStatus(func(method string, code codes.Code) bool {
		return method != unaryMethod || code != codes.NotFound
	})}
	r.serverOptions = []grpcmw.Option{grpcmw.WithErrorStatus(func(string, codes.Code) bool { return true })}
	client := r.start(t)
	request := &testpb.SimpleRequest{ResponseStatus: &testpb.EchoStatus{Code: int32(codes.NotFound), Message: "because"}}
	if _, err := client.UnaryCall(t.Context(), request); status.Code(err) != codes.NotFound {
		t.Fatal(err)
	}
	r.settle()
	checkOutcome(t, r.client, clientMetric, "NOT_FOUND", false)
	checkOutcome(t, r.server, serverMetric, "NOT_FOUND", true)
}

func TestCallersOwnCancellationIsNoError(t *testing.T) {
	r := newRig()
	called := make(chan struct{})
	r.impl.unary = func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		close(called)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	client := r.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-called
		cancel()
	}()
	if _, err := client.UnaryCall(ctx, &testpb.SimpleRequest{}); status.Code(err) != codes.Canceled {
		t.Fatal(err)
	}
	r.settle()
	checkOutcome(t, r.client, clientMetric, "CANCELLED", false)
	checkOutcome(t, r.server, serverMetric, "CANCELLED", false)
}

func TestDeadlineIsAnError(t *testing.T) {
	r := newRig()
	r.impl.unary = func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		<-ctx.Done()
		return nil, status.Error(codes.DeadlineExceeded, "because")
	}
	client := r.start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.UnaryCall(ctx, &testpb.SimpleRequest{}); status.Code(err) != codes.DeadlineExceeded {
		t.Fatal(err)
	}
	r.settle()
	if got := instrumenttest.Attributes(r.client.onlySpan(t).Attributes())["error.type"]; got != "DEADLINE_EXCEEDED" {
		t.Errorf("client's error.type is %q", got)
	}
	checkOutcome(t, r.server, serverMetric, "DEADLINE_EXCEEDED", true)
}

func TestCallThatReachesNoServer(t *testing.T) {
	r := newRig()
	r.dial(t, func(context.Context, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED })
	if err := r.invoke(t.Context(), "/"+unaryMethod); status.Code(err) != codes.Unavailable {
		t.Fatal(err)
	}
	span := r.client.onlySpan(t)
	if got := instrumenttest.Attributes(span.Attributes()); got["error.type"] != "UNAVAILABLE" || span.Status().Code != otelcodes.Error {
		t.Errorf("span has %v and status %v", got, span.Status())
	}
}

func TestRetriesAreASpanEach(t *testing.T) {
	r := newRig()
	failures := 2
	r.impl.unary = func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		if failures--; failures >= 0 {
			return nil, status.Error(codes.Unavailable, "not yet")
		}
		return &testpb.SimpleResponse{}, nil
	}
	r.options = []grpc.DialOption{grpc.WithDefaultServiceConfig(`{"methodConfig": [{"name": [{}], "retryPolicy": {
		"maxAttempts": 4, "initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`)}
	client := r.start(t)
	ctx, parent := r.client.Provider.Tracer("test").Start(t.Context(), "order")
	if _, err := client.UnaryCall(ctx, &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	r.settle()

	sent, served := r.client.Spans.Ended(), r.server.Spans.Ended()
	if len(sent) != 3 || len(served) != 3 {
		t.Fatalf("%d client and %d server spans, want 3 each", len(sent), len(served))
	}
	before := map[trace.SpanID]string{}
	for _, span := range served { // In whatever order they end.
		before[span.Parent().SpanID()] = instrumenttest.Attributes(span.Attributes())["previous-rpc-attempts"]
	}
	for i, want := range []string{"", "1", "2"} {
		if sent[i].Parent().SpanID() != parent.SpanContext().SpanID() {
			t.Errorf("attempt %d is not a child of the caller's span", i)
		}
		got, ok := before[sent[i].SpanContext().SpanID()]
		if !ok || got != want {
			t.Errorf("attempt %d has a child on the server (%v) with previous-rpc-attempts %q, want %q", i, ok, got, want)
		}
	}
}

func TestTransparentRetryIsMarked(t *testing.T) {
	side := newTelemetry()
	handler, err := grpcmw.NewClientHandler(grpcmw.WithTelemetry(side))
	if err != nil {
		t.Fatal(err)
	}
	ctx := handler.TagRPC(t.Context(), &stats.RPCTagInfo{FullMethodName: "/" + unaryMethod})
	handler.HandleRPC(ctx, &stats.Begin{Client: true, IsTransparentRetryAttempt: true})
	handler.HandleRPC(ctx, &stats.End{Client: true})
	if got := instrumenttest.Attributes(side.onlySpan(t).Attributes())["transparent-retry"]; got != "true" {
		t.Errorf("transparent-retry is %q", got)
	}
}
