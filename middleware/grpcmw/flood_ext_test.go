package grpcmw_test

import (
	"context"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/trace"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// TestTenThousandCallsAtOnce has 10,000 calls in the same handler at the same
// time, each in a trace of its own.
func TestTenThousandCallsAtOnce(t *testing.T) {
	const calls = 10_000
	r := newWholeRig()
	var inside sync.WaitGroup
	inside.Add(calls)
	r.impl.unary = func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		inside.Done()
		inside.Wait() // for all the others
		id := trace.SpanContextFromContext(ctx).TraceID()
		return &testpb.SimpleResponse{Payload: &testpb.Payload{Body: id[:]}}, nil
	}
	client := r.start(t)
	var all sync.WaitGroup
	for i := range calls {
		all.Go(func() {
			ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
				TraceID: trace.TraceID{0: 1, 14: byte(i >> 8), 15: byte(i)}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled,
			}))
			answer, err := client.UnaryCall(ctx, &testpb.SimpleRequest{})
			if want := trace.SpanContextFromContext(ctx).TraceID(); err != nil || string(answer.GetPayload().GetBody()) != string(want[:]) {
				t.Errorf("call %d: %v, %v; want its own trace", i, answer, err)
			}
		})
	}
	all.Wait()
	r.settle()
	made := map[trace.SpanID]bool{}
	for _, span := range r.client.Spans.Ended() {
		made[span.SpanContext().SpanID()] = true
	}
	if len(made) != calls {
		t.Errorf("%d spans of the client, want %d", len(made), calls)
	}
	for _, span := range r.server.Spans.Ended() {
		if parent := span.Parent().SpanID(); made[parent] {
			delete(made, parent)
		} else {
			t.Errorf("a span of the server is beneath %v, which is no call, or one that was served already", parent)
		}
	}
	if len(made) != 0 {
		t.Errorf("%d calls have no span of the server", len(made))
	}
	for side, series := range map[string]uint64{
		"server": r.server.only(t, serverMetric), "client": r.client.only(t, clientMetric),
	} {
		if series != calls {
			t.Errorf("%d calls were measured by the %s, want %d", series, side, calls)
		}
	}
}

// only is the count of the only series of a metric.
func (t *telemetry) only(test *testing.T, name string) uint64 {
	test.Helper()
	series := t.Series(test, name)
	if len(series) != 1 {
		test.Fatalf("%d series of %s, want 1", len(series), name)
	}
	return series[0].Count
}
