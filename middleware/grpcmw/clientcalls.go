package grpcmw

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// DialOptions are what grpc.NewClient takes to observe its calls: the stats
// handler of NewClientHandler, and interceptors that add to it the calls that
// fail before gRPC makes an attempt, as while no address is known, so that they
// have a span and are measured as well.
//
// Interceptors of the service's own that come after these are inside of them,
// and what they refuse is observed; those that come before are outside. It
// fails if the metric can't be registered.
func DialOptions(options ...Option) ([]grpc.DialOption, error) {
	o, err := newObserver(trace.SpanKindClient, semconv.RPCClientCallDuration, clientError, options)
	if err != nil {
		return nil, err
	}
	o.intercepts = true
	return []grpc.DialOption{
		grpc.WithStatsHandler(&clientHandler{observer: o}),
		grpc.WithChainUnaryInterceptor(o.invoke),
		grpc.WithChainStreamInterceptor(o.open),
	}, nil
}

// request is a call as the application makes it. It is a context, so that the
// attempts find it.
type request struct {
	context.Context
	observer *observer
	attempts atomic.Bool // there were some
}

// requestKey finds the request of an observer.
type requestKey struct{ *observer }

// Value is as in context.Context.
func (r *request) Value(key any) any {
	if key == any(requestKey{r.observer}) {
		return r
	}
	return r.Context.Value(key)
}

// attempted tells the request of its first attempt.
func (o *observer) attempted(ctx context.Context) {
	if r, is := ctx.Value(requestKey{o}).(*request); is {
		r.attempts.Store(true)
	}
}

func (o *observer) invoke(ctx context.Context, method string, in, out any, conn *grpc.ClientConn, invoker grpc.UnaryInvoker, options ...grpc.CallOption) error {
	r, began := &request{Context: ctx, observer: o}, time.Now()
	err := invoker(r, method, in, out, conn, options...)
	r.ended(method, began, err)
	return err
}

func (o *observer) open(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, streamer grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	r, began := &request{Context: ctx, observer: o}, time.Now()
	stream, err := streamer(r, desc, conn, method, options...)
	r.ended(method, began, err)
	return stream, err
}

// ended records a call that has failed without an attempt.
func (r *request) ended(method string, began time.Time, err error) {
	if err == nil || r.attempts.Load() {
		return
	}
	c := &call{Context: r.Context, observer: r.observer, method: strings.TrimPrefix(method, "/")}
	options := r.observer.methods.startOptions(c.method)
	c.traced(append(slices.Clip(options), trace.WithTimestamp(began)))
	c.end(err, began, time.Now(), errors.Is(r.Err(), context.Canceled))
}
