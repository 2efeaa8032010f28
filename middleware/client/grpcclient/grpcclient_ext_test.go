package grpcclient_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/middleware/client/grpcclient"
	"github.com/waybill-dev/waybill/middleware/grpcmw"
	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
)

const (
	patience = 20 * time.Second
	unary    = "grpc.testing.TestService/UnaryCall"
)

// instance is a server that counts, fails so many times, and may be unwell.
type instance struct {
	testpb.UnimplementedTestServiceServer
	address string
	health  *health.Server
	calls   atomic.Int64
	fails   atomic.Int64
	hangs   atomic.Bool
}

func (i *instance) answer(ctx context.Context) error {
	i.calls.Add(1)
	if i.hangs.Load() {
		<-ctx.Done()
		return status.FromContextError(ctx.Err()).Err()
	}
	if i.fails.Add(-1) >= 0 {
		return status.Error(codes.Unavailable, "come again")
	}
	return nil
}

func (i *instance) UnaryCall(ctx context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	return &testpb.SimpleResponse{Payload: r.GetPayload()}, i.answer(ctx)
}

func (i *instance) EmptyCall(ctx context.Context, _ *testpb.Empty) (*testpb.Empty, error) {
	return &testpb.Empty{}, i.answer(ctx)
}

func serve(t *testing.T) *instance {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a socket of the test's own
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{address: listener.Addr().String(), health: health.NewServer()}
	server := grpc.NewServer()
	testpb.RegisterTestServiceServer(server, i)
	healthv1.RegisterHealthServer(server, i.health)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-served
	})
	return i
}

// dial makes a client of the instances.
func dial(t *testing.T, config grpcclient.Config, instances []*instance, more ...grpc.DialOption) testpb.TestServiceClient {
	t.Helper()
	options, err := config.DialOptions()
	if err != nil {
		t.Fatal(err)
	}
	found := manual.NewBuilderWithScheme("found")
	var state resolver.State
	for _, i := range instances {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: i.address})
	}
	found.InitialState(state)
	options = append(options, grpc.WithResolvers(found), grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient("found:///test", append(options, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return testpb.NewTestServiceClient(conn)
}

// config retries UnaryCall, soon, and has no circuit breaker.
func config() grpcclient.Config {
	c := grpcclient.DefaultConfig(unary)
	c.Delay, c.MaxDelay, c.Breaker = time.Millisecond, 10*time.Millisecond, grpcclient.Breaker{}
	return c
}

// ready calls until both have been called.
func ready(t *testing.T, client testpb.TestServiceClient, instances ...*instance) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		if _, err := client.EmptyCall(t.Context(), &testpb.Empty{}, grpc.WaitForReady(true)); err != nil {
			t.Fatal(err)
		}
		called := 0
		for _, i := range instances {
			if i.calls.Load() > 0 {
				called++
			}
		}
		if called == len(instances) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("not all instances were called")
		}
	}
	for _, i := range instances {
		i.calls.Store(0)
	}
}

func TestCallsTakeTurns(t *testing.T) {
	for _, balancer := range []grpcclient.Balancer{grpcclient.RoundRobin, grpcclient.LeastRequests} {
		a, b := serve(t), serve(t)
		c := config()
		c.Balancer = balancer
		client := dial(t, c, []*instance{a, b})
		ready(t, client, a, b)
		for range 100 {
			if _, err := client.UnaryCall(t.Context(), &testpb.SimpleRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		if a.calls.Load() < 20 || b.calls.Load() < 20 {
			t.Errorf("%s: %d and %d of 100 calls", balancer, a.calls.Load(), b.calls.Load())
		}
	}
}

func TestIdempotentMethodsAreRetried(t *testing.T) {
	a := serve(t)
	client := dial(t, config(), []*instance{a})
	ready(t, client, a)
	a.fails.Store(2)
	if _, err := client.UnaryCall(t.Context(), &testpb.SimpleRequest{}); err != nil || a.calls.Load() != 3 {
		t.Errorf("got %v after %d attempts, want success after 3", err, a.calls.Load())
	}
	a.calls.Store(0)
	a.fails.Store(1)
	if _, err := client.EmptyCall(t.Context(), &testpb.Empty{}); status.Code(err) != codes.Unavailable || a.calls.Load() != 1 {
		t.Errorf("got %v after %d attempts of a method that is not idempotent, want UNAVAILABLE after 1", err, a.calls.Load())
	}
}

func TestBudgetBoundsRetries(t *testing.T) {
	const calls = 50
	a := serve(t)
	client := dial(t, config(), []*instance{a})
	ready(t, client, a)
	a.fails.Store(1 << 40)
	for range calls {
		if _, err := client.UnaryCall(t.Context(), &testpb.SimpleRequest{}); status.Code(err) != codes.Unavailable {
			t.Fatal(err)
		}
	}
	if retries := a.calls.Load() - calls; retries < 2 || retries > 10 {
		t.Errorf("%d retries, want a few, as a burst of 20 is half gone after 10 failures", retries)
	}
}

func TestInstancesThatAreNotWellAreLeftOut(t *testing.T) {
	a, b := serve(t), serve(t)
	b.health.SetServingStatus("", healthv1.HealthCheckResponse_NOT_SERVING)
	client := dial(t, config(), []*instance{a, b})
	ready(t, client, a)
	for range 20 {
		if _, err := client.UnaryCall(t.Context(), &testpb.SimpleRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	if b.calls.Load() != 0 {
		t.Errorf("the instance that is not well was called %d times", b.calls.Load())
	}
	b.health.SetServingStatus("", healthv1.HealthCheckResponse_SERVING)
	ready(t, client, a, b)
}

func TestCallsHaveTheirTime(t *testing.T) {
	a := serve(t)
	a.hangs.Store(true)
	c := config()
	c.Timeout = 100 * time.Millisecond
	client := dial(t, c, []*instance{a})
	if _, err := client.UnaryCall(t.Context(), &testpb.SimpleRequest{}, grpc.WaitForReady(true)); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v, want DEADLINE_EXCEEDED", err)
	}
}

func TestAttemptsAreSpans(t *testing.T) {
	a := serve(t)
	o := instrumenttest.New()
	observe, err := grpcmw.NewClientHandler(grpcmw.WithTelemetry(o))
	if err != nil {
		t.Fatal(err)
	}
	client := dial(t, config(), []*instance{a}, grpc.WithStatsHandler(observe))
	ready(t, client, a)
	a.fails.Store(1)
	ctx, caller := o.Provider.Tracer("test").Start(t.Context(), "caller")
	if _, err := client.UnaryCall(ctx, &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	caller.End()
	attempts := 0
	for _, span := range o.Spans.Ended() {
		if span.Name() == unary && span.Parent().SpanID() == caller.SpanContext().SpanID() {
			attempts++
		}
	}
	if attempts != 2 {
		t.Errorf("%d spans under the caller's, want 2", attempts)
	}
}

func TestServiceConfig(t *testing.T) {
	got, err := grpcclient.DefaultConfig(unary, "a.B").ServiceConfig()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"loadBalancingConfig":[{"round_robin":{}}],"methodConfig":[{"name":[{}],"timeout":"30.000000000s"},` +
		`{"name":[{"service":"grpc.testing.TestService","method":"UnaryCall"},{"service":"a.B"}],"timeout":"30.000000000s",` +
		`"retryPolicy":{"maxAttempts":3,"initialBackoff":"0.050000000s","maxBackoff":"10.000000000s","backoffMultiplier":2,"retryableStatusCodes":[14]}}],` +
		`"retryThrottling":{"maxTokens":20,"tokenRatio":0.2},"healthCheckConfig":{"serviceName":""}}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("service config (-want +got):\n%s", diff)
	}
	if got, err := (grpcclient.Config{Balancer: grpcclient.PickFirst}).ServiceConfig(); err != nil || strings.Contains(got, "retry") {
		t.Errorf("the least config is %s, %v", got, err)
	}
}

func TestConfigsThatMakeNoSense(t *testing.T) {
	for name, change := range map[string]func(*grpcclient.Config){
		"balancer":     func(c *grpcclient.Config) { c.Balancer = "best" },
		"pick first":   func(c *grpcclient.Config) { c.Balancer = grpcclient.PickFirst },
		"timeout":      func(c *grpcclient.Config) { c.Timeout = -1 },
		"delay":        func(c *grpcclient.Config) { c.Delay = 0 },
		"max delay":    func(c *grpcclient.Config) { c.MaxDelay = 1 },
		"no status":    func(c *grpcclient.Config) { c.Statuses = nil },
		"burst":        func(c *grpcclient.Config) { c.Burst = 1001 },
		"no budget":    func(c *grpcclient.Config) { c.Budget = 0 },
		"breaker":      func(c *grpcclient.Config) { c.Breaker.Ratio = 2 },
		"hedging":      func(c *grpcclient.Config) { c.HedgeAfter, c.Burst = time.Second, 0 },
		"slash before": func(c *grpcclient.Config) { c.Idempotent = []string{"/a.B/C"} },
	} {
		c := config()
		change(&c)
		if _, err := c.DialOptions(); err == nil {
			t.Errorf("%s gave no error", name)
		}
	}
}
