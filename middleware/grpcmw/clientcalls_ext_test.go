package grpcmw_test

import (
	"context"
	"testing"
	"time"

	otelcodes "go.opentelemetry.io/otel/codes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/middleware/grpcmw"
	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
)

// checkUnattempted checks the only span and the only series of a call that gRPC
// has told no stats handler of.
func checkUnattempted(t *testing.T, side *telemetry, method, status string) {
	t.Helper()
	span := side.onlySpan(t)
	got := instrumenttest.Attributes(span.Attributes())
	if span.Name() != method || span.Status().Code != otelcodes.Error || got["error.type"] != status || got["rpc.response.status_code"] != status {
		t.Errorf("span %q has status %+v and %v, want %s", span.Name(), span.Status(), got, status)
	}
	series := side.Series(t, clientMetric)
	if len(series) != 1 || series[0].Count != 1 || series[0].Labels["rpc_method"] != method || series[0].Labels["error_type"] != status {
		t.Errorf("series are %+v", series)
	}
}

func TestCallThatFindsNoAddressIsSeen(t *testing.T) {
	side := newTelemetry()
	observe, err := grpcmw.DialOptions(grpcmw.WithTelemetry(side))
	if err != nil {
		t.Fatal(err)
	}
	silent := manual.NewBuilderWithScheme("silent") // it never tells an address
	conn, err := grpc.NewClient("silent:///shop.example", append(observe,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithResolvers(silent))...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := testpb.NewTestServiceClient(conn).UnaryCall(ctx, &testpb.SimpleRequest{}); status.Code(err) != codes.DeadlineExceeded {
		t.Fatal(err)
	}
	checkUnattempted(t, side, unaryMethod, "DEADLINE_EXCEEDED")
	deadline, _ := ctx.Deadline()
	if span := side.onlySpan(t); !span.StartTime().Before(deadline) || span.EndTime().Before(deadline) {
		t.Errorf("the span lasts from %v to %v, want it to end with the call, at %v", span.StartTime(), span.EndTime(), deadline)
	}
}

func TestStreamThatAnInterceptorRefusesIsSeen(t *testing.T) {
	r := newWholeRig()
	r.options = []grpc.DialOption{grpc.WithChainStreamInterceptor(
		func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, grpc.Streamer, ...grpc.CallOption) (grpc.ClientStream, error) {
			return nil, status.Error(codes.ResourceExhausted, "breaker is open")
		})}
	client := r.start(t)
	if _, err := client.FullDuplexCall(t.Context()); status.Code(err) != codes.ResourceExhausted {
		t.Fatal(err)
	}
	checkUnattempted(t, r.client, duplexMethod, "RESOURCE_EXHAUSTED")
}

func TestInterceptorsCountNoCallTwice(t *testing.T) {
	r := newWholeRig()
	client := r.start(t)
	for _, code := range []codes.Code{codes.OK, codes.NotFound} {
		request := &testpb.SimpleRequest{}
		if code != codes.OK {
			request.ResponseStatus = &testpb.EchoStatus{Code: int32(code), Message: "because"}
		}
		if _, err := client.UnaryCall(t.Context(), request); status.Code(err) != code {
			t.Fatal(err)
		}
	}
	r.settle()
	if sent, served := len(r.client.Spans.Ended()), len(r.server.Spans.Ended()); sent != 2 || served != 2 {
		t.Errorf("%d client and %d server spans, want 2 each", sent, served)
	}
	if got := instrumenttest.Attributes(r.client.Spans.Ended()[0].Attributes()); got["waybill.rpc.messages.sent"] != "" {
		t.Errorf("a unary call counts messages: %v", got)
	}
}
