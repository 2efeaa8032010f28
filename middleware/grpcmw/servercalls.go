package grpcmw

import (
	"context"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// errPanicked is what the caller is answered if the panic stays here.
var errPanicked = status.Error(codes.Internal, "internal error")

// ServerOptions are what grpc.NewServer takes to observe its calls: the stats
// handler of NewServerHandler, and interceptors that add to it
//
//   - panics: the span is an error with the stack, error.type is panic, and the
//     panic goes on unless WithRecovery is given;
//   - the error itself that a handler has returned, of which gRPC tells a stats
//     handler the status only: if the status is an error of the server, and the
//     error more than a status, the span has its type and its message.
//
// Interceptors of the service's own that come after these are inside of them,
// and those that come before are outside. It fails if the metric can't be
// registered.
func ServerOptions(options ...Option) ([]grpc.ServerOption, error) {
	o, err := newObserver(trace.SpanKindServer, semconv.RPCServerCallDuration, serverError, options)
	if err != nil {
		return nil, err
	}
	return []grpc.ServerOption{
		grpc.StatsHandler(&serverHandler{observer: o}),
		grpc.ChainUnaryInterceptor(o.unary),
		grpc.ChainStreamInterceptor(o.streaming),
	}, nil
}

func (o *observer) unary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (response any, err error) {
	returned := false
	defer func() {
		if !returned {
			err = o.recovered(ctx, recover())
		}
	}()
	response, err = handler(ctx, request)
	returned = true
	o.noted(ctx, err)
	return response, err
}

func (o *observer) streaming(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	returned := false
	defer func() {
		if !returned {
			err = o.recovered(stream.Context(), recover())
		}
	}()
	err = handler(server, stream)
	returned = true
	o.noted(stream.Context(), err)
	return err
}

// noted keeps what the handler has returned for when the call ends.
func (o *observer) noted(ctx context.Context, err error) {
	if c := o.callOf(ctx); c != nil {
		c.failure = err
	}
}

// recovered takes in a panic, and lets it go on or gives what is answered. A
// goroutine that ends itself in a handler has no cause, and can't be stopped.
func (o *observer) recovered(ctx context.Context, cause any) error {
	if cause == nil {
		return errPanicked
	}
	if c := o.callOf(ctx); c != nil {
		c.panicked = true
		if c.recording() {
			instrument.RecordPanic(c.span, cause)
		}
	}
	if !o.recovers {
		panic(cause)
	}
	return errPanicked
}
