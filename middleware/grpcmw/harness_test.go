package grpcmw_test

import (
	"context"
	"net"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/waybill-dev/waybill/middleware/grpcmw"
	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
)

const unaryMethod = "grpc.testing.TestService/UnaryCall"

// telemetry records what one side has seen.
type telemetry struct{ *instrumenttest.Telemetry }

func newTelemetry(options ...sdktrace.TracerProviderOption) *telemetry {
	return &telemetry{instrumenttest.New(options...)}
}

// onlySpan is the one span that was recorded.
func (t *telemetry) onlySpan(test *testing.T) sdktrace.ReadOnlySpan {
	test.Helper()
	ended := t.Spans.Ended()
	if len(ended) != 1 {
		test.Fatalf("%d spans have ended, want 1", len(ended))
	}
	return ended[0]
}

// service does what a call asks for.
type service struct {
	testpb.UnimplementedTestServiceServer
	unary func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error)
	// duplex is asked before a stream is answered.
	duplex func() error
}

func (s *service) UnaryCall(ctx context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	if s.unary != nil {
		return s.unary(ctx, r)
	}
	if want := r.GetResponseStatus(); want != nil {
		return nil, status.Error(codes.Code(want.GetCode()), want.GetMessage())
	}
	return &testpb.SimpleResponse{Payload: r.GetPayload()}, nil
}

func (s *service) FullDuplexCall(stream grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
	if s.duplex != nil {
		if err := s.duplex(); err != nil {
			return err
		}
	}
	for {
		r, err := stream.Recv()
		if err != nil {
			return nil
		}
		if err := stream.Send(&testpb.StreamingOutputCallResponse{Payload: r.GetPayload()}); err != nil {
			return err
		}
	}
}

// rig is a server and a client of it, in memory.
type rig struct {
	server, client *telemetry
	impl           *service
	options        []grpc.DialOption
	serverOptions  []grpcmw.Option
	clientOptions  []grpcmw.Option
	grpcOptions    []grpc.ServerOption
	whole          bool // with interceptors

	grpcServer *grpc.Server
	conn       *grpc.ClientConn
}

func newRig() *rig {
	return &rig{server: newTelemetry(), client: newTelemetry(), impl: &service{}}
}

// start serves and connects until the test ends. A nil side is not observed.
func (r *rig) start(t testing.TB) testpb.TestServiceClient {
	t.Helper()
	switch {
	case r.server != nil && r.whole:
		observe, err := grpcmw.ServerOptions(append([]grpcmw.Option{grpcmw.WithTelemetry(r.server)}, r.serverOptions...)...)
		if err != nil {
			t.Fatal(err)
		}
		r.grpcOptions = append(r.grpcOptions, observe...)
	case r.server != nil:
		handler, err := grpcmw.NewServerHandler(append([]grpcmw.Option{grpcmw.WithTelemetry(r.server)}, r.serverOptions...)...)
		if err != nil {
			t.Fatal(err)
		}
		r.grpcOptions = append(r.grpcOptions, grpc.StatsHandler(handler))
	}
	r.grpcServer = grpc.NewServer(r.grpcOptions...)
	testpb.RegisterTestServiceServer(r.grpcServer, r.impl)
	healthv1.RegisterHealthServer(r.grpcServer, health.NewServer())
	listener := bufconn.Listen(1 << 20)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = r.grpcServer.Serve(listener)
	}()
	t.Cleanup(func() {
		r.grpcServer.Stop()
		<-served
	})
	r.dial(t, func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) })
	return testpb.NewTestServiceClient(r.conn)
}

func (r *rig) dial(t testing.TB, dialer func(context.Context, string) (net.Conn, error)) {
	t.Helper()
	switch {
	case r.client != nil && r.whole:
		observe, err := grpcmw.DialOptions(append([]grpcmw.Option{grpcmw.WithTelemetry(r.client)}, r.clientOptions...)...)
		if err != nil {
			t.Fatal(err)
		}
		r.options = append(observe, r.options...)
	case r.client != nil:
		handler, err := grpcmw.NewClientHandler(append([]grpcmw.Option{grpcmw.WithTelemetry(r.client)}, r.clientOptions...)...)
		if err != nil {
			t.Fatal(err)
		}
		r.options = append(r.options, grpc.WithStatsHandler(handler))
	}
	var err error
	r.conn, err = grpc.NewClient("passthrough:///shop.example:9001", append(r.options,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(dialer))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.conn.Close() })
}

// settle waits until the server has heard how each call ended, which is after
// the client has.
func (r *rig) settle() { r.grpcServer.GracefulStop() }

// invoke calls a method by name, whether the server has it or not.
func (r *rig) invoke(ctx context.Context, method string) error {
	return r.conn.Invoke(ctx, method, &testpb.Empty{}, &testpb.Empty{})
}

// allEnded fails if a span was started and has not ended.
func (t *telemetry) allEnded(test *testing.T) {
	test.Helper()
	var open []string
	for _, span := range t.Spans.Started() {
		if span.EndTime().IsZero() {
			open = append(open, span.Name())
		}
	}
	if len(open) > 0 {
		test.Errorf("spans that never end: %s", strings.Join(open, ", "))
	}
}
