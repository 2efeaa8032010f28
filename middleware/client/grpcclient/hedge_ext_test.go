package grpcclient_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/waybill-dev/waybill/middleware/client/grpcclient"
	"github.com/waybill-dev/waybill/middleware/grpcmw"
	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
)

// hedging makes a second attempt after a while that is long enough to be seen.
func hedging(o *instrumenttest.Telemetry) grpcclient.Config {
	c := config()
	c.Attempts, c.HedgeAfter, c.Telemetry = 1, 20*time.Millisecond, o
	return c
}

func TestSecondAttemptIsMadeBesideASlowOne(t *testing.T) {
	a, b, o := serve(t), serve(t), instrumenttest.New()
	observe, err := grpcmw.DialOptions(grpcmw.WithTelemetry(o))
	if err != nil {
		t.Fatal(err)
	}
	client := dialBehind(t, observe, hedging(o), a, b)
	ready(t, client, a, b)
	before := len(o.Spans.Ended())
	a.hangs.Store(true)
	ctx, caller := o.Provider.Tracer("test").Start(t.Context(), "caller")
	for range 2 { // of which one goes to a first
		answer, err := client.UnaryCall(ctx, &testpb.SimpleRequest{Payload: &testpb.Payload{Body: []byte("tea")}})
		if err != nil || string(answer.GetPayload().GetBody()) != "tea" {
			t.Fatal(answer, err)
		}
	}
	caller.End()
	if won := value(t, o, "waybill_client_hedges_total", "outcome", "won"); won < 1 {
		t.Errorf("%v hedges have won, want one", won)
	}
	spans, hedges := 0, 0
	for _, span := range o.Spans.Ended()[before:] {
		if span.Status().Code != 0 {
			t.Errorf("%s is an error: %v", span.Name(), span.Status())
		}
		if span.Parent().SpanID() == caller.SpanContext().SpanID() {
			spans++
		}
		for _, event := range span.Events() {
			if event.Name == "hedge" {
				hedges++
			}
		}
	}
	if hedges < 1 || spans != 2+hedges {
		t.Errorf("%d spans beneath the caller's, %d hedges; want one for each attempt", spans, hedges)
	}
}

// counting is a connection's far end that never answers, and counts.
func counting(calls *atomic.Int64) grpc.DialOption {
	return grpc.WithChainUnaryInterceptor(func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ grpc.UnaryInvoker, _ ...grpc.CallOption) error {
		calls.Add(1)
		<-ctx.Done()
		return ctx.Err()
	})
}

// reach waits until so many calls were made.
func reach(t *testing.T, calls *atomic.Int64, want int64) {
	t.Helper()
	for deadline := time.Now().Add(patience); calls.Load() < want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d calls, want %d", calls.Load(), want)
		}
	}
}

func TestWhatIsMadeOnce(t *testing.T) {
	a := serve(t)
	for name, test := range map[string]struct {
		change func(*grpcclient.Config)
		call   func(context.Context, testpb.TestServiceClient) error
		want   int64
	}{
		"idempotent": {want: 2, call: func(ctx context.Context, c testpb.TestServiceClient) error {
			_, err := c.UnaryCall(ctx, &testpb.SimpleRequest{})
			return err
		}},
		"by its service": {
			change: func(c *grpcclient.Config) { c.Idempotent = []string{"grpc.testing.TestService"} }, want: 2,
			call: func(ctx context.Context, c testpb.TestServiceClient) error {
				_, err := c.EmptyCall(ctx, &testpb.Empty{})
				return err
			},
		},
		"not idempotent": {want: 1, call: func(ctx context.Context, c testpb.TestServiceClient) error {
			_, err := c.EmptyCall(ctx, &testpb.Empty{})
			return err
		}},
		"asks for headers": {want: 1, call: func(ctx context.Context, c testpb.TestServiceClient) error {
			var header metadata.MD
			_, err := c.UnaryCall(ctx, &testpb.SimpleRequest{}, grpc.Header(&header))
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c, calls := hedging(instrumenttest.New()), &atomic.Int64{}
			if test.change != nil {
				test.change(&c)
			}
			client := dial(t, c, []*instance{a}, counting(calls))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error)
			go func() { ended <- test.call(ctx, client) }()
			reach(t, calls, test.want)
			time.Sleep(3 * c.HedgeAfter) // in which another would begin
			cancel()
			if err := <-ended; err == nil {
				t.Fatal("answered")
			}
			if n := calls.Load(); n != test.want {
				t.Errorf("%d attempts, want %d", n, test.want)
			}
		})
	}
}

func TestBudgetBoundsHedges(t *testing.T) {
	c, calls := hedging(instrumenttest.New()), &atomic.Int64{}
	c.Burst, c.Budget, c.HedgeAfter = 2, 0.001, time.Nanosecond
	client := dial(t, c, []*instance{serve(t)}, counting(calls))
	for _, want := range []int64{2, 4, 5, 6, 7} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = client.UnaryCall(ctx, &testpb.SimpleRequest{})
		}()
		reach(t, calls, want)
		time.Sleep(5 * time.Millisecond) // in which another would begin
		cancel()
		<-ended
	}
	if n := calls.Load(); n != 7 {
		t.Errorf("%d attempts of 5 calls, want 7", n)
	}
}
