package grpcclient_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/middleware/client/grpcclient"
	"github.com/waybill-dev/waybill/middleware/grpcmw"
	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
)

// breaking is a config whose breaker opens after two failures, and tries again
// when the test allows.
func breaking(o *instrumenttest.Telemetry, openFor time.Duration) grpcclient.Config {
	c := config()
	c.Attempts, c.Idempotent, c.Telemetry = 1, nil, o
	c.Breaker = grpcclient.Breaker{Failures: 2, OpenFor: openFor, Probes: 1}
	return c
}

// value is that of the only series of a metric with that label, or -1.
func value(t *testing.T, o *instrumenttest.Telemetry, name, label, of string) float64 {
	t.Helper()
	families, err := o.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, pair := range metric.GetLabel() {
				if pair.GetName() == label && pair.GetValue() == of {
					return metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
				}
			}
		}
	}
	return -1
}

func TestBreakerFailsCallsAtOnceAndIsSeen(t *testing.T) {
	a, o := serve(t), instrumenttest.New()
	observe, err := grpcmw.DialOptions(grpcmw.WithTelemetry(o))
	if err != nil {
		t.Fatal(err)
	}
	client := dialBehind(t, observe, breaking(o, time.Hour), a)
	ready(t, client, a)
	before := len(o.Spans.Ended())
	a.fails.Store(1000)
	ctx, caller := o.Provider.Tracer("test").Start(t.Context(), "caller")
	for i := range 5 {
		_, err := client.UnaryCall(ctx, &testpb.SimpleRequest{})
		if status.Code(err) != codes.Unavailable || errors.Is(err, grpcclient.ErrCircuitOpen) != (i >= 2) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if _, err := client.FullDuplexCall(ctx); !errors.Is(err, grpcclient.ErrCircuitOpen) {
		t.Errorf("a stream: %v, want the circuit to be open", err)
	}
	caller.End()
	if n := a.calls.Load(); n != 2 {
		t.Errorf("%d calls have reached the service, want 2", n)
	}
	for name, want := range map[string]float64{"waybill_client_breaker_state": 2, "waybill_client_breaker_rejections_total": 4} {
		if got := value(t, o, name, "peer_service", "test"); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	// Those that were not let through have spans of their own, by grpcmw.
	if n := len(o.Spans.Ended()) - before; n != 7 {
		t.Errorf("%d spans, want the caller's, and one for each of 6 calls", n)
	}
	events := map[string]int{}
	for _, span := range o.Spans.Ended()[before:] {
		for _, event := range span.Events() {
			events[event.Name]++
		}
	}
	if events["circuit breaker rejection"] != 4 || events["circuit breaker transition"] != 1 {
		t.Errorf("events are %v, want 4 rejections and a transition", events)
	}
}

// dialBehind has the config's options behind others.
func dialBehind(t *testing.T, first []grpc.DialOption, config grpcclient.Config, instances ...*instance) testpb.TestServiceClient {
	t.Helper()
	behind, err := config.DialOptions()
	if err != nil {
		t.Fatal(err)
	}
	plain := config
	plain.Breaker, plain.HedgeAfter = grpcclient.Breaker{}, 0
	return dial(t, plain, instances, append(first, behind...)...)
}

func TestBreakerClosesWhenTheServiceIsWellAgain(t *testing.T) {
	a, o := serve(t), instrumenttest.New()
	client := dial(t, breaking(o, 20*time.Millisecond), []*instance{a})
	ready(t, client, a)
	a.fails.Store(2)
	for range 2 {
		_, _ = client.EmptyCall(t.Context(), &testpb.Empty{})
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		_, err := client.EmptyCall(t.Context(), &testpb.Empty{})
		if err == nil {
			break
		}
		if !errors.Is(err, grpcclient.ErrCircuitOpen) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if got := value(t, o, "waybill_client_breaker_state", "peer_service", "test"); got != 0 {
		t.Errorf("the state is %v, want closed", got)
	}
}

// What is the caller's doing, and what the service means to say, opens nothing.
func TestWhatIsNoFailureOfTheService(t *testing.T) {
	a, o := serve(t), instrumenttest.New()
	client := dial(t, breaking(o, time.Hour), []*instance{a})
	ready(t, client, a)
	a.hangs.Store(true)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		before := a.calls.Load()
		go func() {
			for a.calls.Load() == before {
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		if _, err := client.EmptyCall(ctx, &testpb.Empty{}); status.Code(err) != codes.Canceled {
			t.Errorf("got %v, want CANCELLED", err)
		}
	}
	a.hangs.Store(false)
	for range 3 { // the service has no such method
		stream, err := client.FullDuplexCall(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); status.Code(err) != codes.Unimplemented {
			t.Errorf("got %v, want UNIMPLEMENTED", err)
		}
	}
	if _, err := client.EmptyCall(t.Context(), &testpb.Empty{}); err != nil {
		t.Errorf("the circuit is open: %v", err)
	}
}
