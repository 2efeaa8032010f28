package grpcclient

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/middleware/internal/breaker"
)

// Breaker says when a service is left alone: it is around all calls of a
// connection, whatever instance they would go to, as gRPC leaves out instances
// that are broken itself. It counts as failures UNKNOWN, DEADLINE_EXCEEDED,
// INTERNAL, UNAVAILABLE and DATA_LOSS, when retries are over, but not that the
// caller cancels. The zero value is none.
type Breaker = breaker.Settings

// DefaultBreaker opens for 5 seconds, after 5 failures in a row, or when half of
// 20 calls or more have failed within 10 seconds. One call tries whether the
// service is well again.
func DefaultBreaker() Breaker { return breaker.Default() }

// ErrCircuitOpen is what a call gives that the circuit breaker does not let
// through. Its status is UNAVAILABLE.
var ErrCircuitOpen error = circuitOpen{}

type circuitOpen struct{}

func (circuitOpen) Error() string { return "circuit breaker of the service is open" }

// GRPCStatus is what status.FromError asks for.
func (c circuitOpen) GRPCStatus() *status.Status { return status.New(codes.Unavailable, c.Error()) }

// breakers are those of the connections that share options, by their targets.
// They are safe for concurrent use.
type breakers struct {
	settings Breaker
	metrics  *breaker.Metrics

	mu    sync.Mutex
	known map[string]*breaker.Breaker
}

func newBreakers(settings Breaker, telemetry Telemetry) (*breakers, error) {
	metrics, err := breaker.NewMetrics(telemetry.Registerer())
	if err != nil {
		return nil, err
	}
	return &breakers{settings: settings, metrics: metrics, known: map[string]*breaker.Breaker{}}, nil
}

func (b *breakers) of(target string) *breaker.Breaker {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := b.known[target]
	if found == nil {
		service := serviceOf(target)
		found = breaker.New(b.settings, "", func(t breaker.Transition) { b.metrics.Changed(service, t) })
		b.metrics.Made(service, "")
		b.known[target] = found
	}
	return found
}

// serviceOf is the service's name in a target, as in dns:///order:9000.
func serviceOf(target string) string {
	name := target[strings.LastIndexByte(target, '/')+1:]
	if host, _, err := net.SplitHostPort(name); err == nil {
		return host
	}
	return name
}

// allow lets a call through, and gives whom to tell how it went, once.
func (b *breakers) allow(ctx context.Context, conn *grpc.ClientConn) (done func(error), err error) {
	breaking, span := b.of(conn.Target()), trace.SpanFromContext(ctx)
	tell, allowed := breaking.Allow()
	breaking.Tell(span)
	if !allowed {
		b.metrics.Rejected(serviceOf(conn.Target()))
		breaker.Rejected(span, "")
		return nil, ErrCircuitOpen
	}
	var once sync.Once
	return func(err error) {
		once.Do(func() {
			tell(verdict(ctx, err))
			breaking.Tell(span)
		})
	}, nil
}

// errPanicked stands for a call that has panicked.
var errPanicked = status.Error(codes.Internal, "panicked")

func (b *breakers) unary(
	ctx context.Context, method string, in, out any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	done, err := b.allow(ctx, conn)
	if err != nil {
		return err
	}
	defer done(errPanicked)
	err = invoke(ctx, method, in, out, conn, options...)
	done(err)
	return err
}

func (b *breakers) stream(
	ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	done, err := b.allow(ctx, conn)
	if err != nil {
		return nil, err
	}
	stream, err := open(ctx, desc, conn, method, append(options, grpc.OnFinish(done))...)
	if err != nil {
		done(err)
		return nil, err
	}
	return watched{stream, done}, nil
}

// watched is a stream whose first message tells that the service is well; it may
// last for hours.
type watched struct {
	grpc.ClientStream
	done func(error)
}

// RecvMsg is as in grpc.ClientStream.
func (w watched) RecvMsg(m any) error {
	err := w.ClientStream.RecvMsg(m)
	if err == nil {
		w.done(nil)
	}
	return err
}

// verdict is what a breaker hears of a call.
func verdict(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Canceled
	}
	switch status.Code(err) {
	case codes.Unknown, codes.DeadlineExceeded, codes.Internal, codes.Unavailable, codes.DataLoss:
		return err
	case codes.Canceled:
		return context.Canceled
	}
	return nil
}
