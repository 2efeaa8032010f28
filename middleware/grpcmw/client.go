package grpcmw

import (
	"context"
	"errors"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/grpc/stats"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// clientHandler observes the calls that a client makes, attempt by attempt.
type clientHandler struct{ *observer }

// TagRPC implements stats.Handler: it starts the span and puts the trace into
// the metadata.
func (h *clientHandler) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	if h.intercepts {
		h.attempted(ctx)
	}
	made := &madeCall{call: call{Context: ctx, observer: h.observer, method: strings.TrimPrefix(info.FullMethodName, "/")}}
	c := &made.call
	c.traced(h.methods.startOptions(c.method))
	h.wire.Inject(c.Context, &made.outgoing, &made.text)
	c.Context = made.outgoing.context(c.Context)
	return c
}

// HandleRPC implements stats.Handler.
func (h *clientHandler) HandleRPC(ctx context.Context, rs stats.RPCStats) {
	c := h.callOf(ctx)
	if c == nil {
		return
	}
	switch rs := rs.(type) {
	case *stats.OutHeader:
		c.outHeader.Store(rs)
	case *stats.End:
		// gRPC itself cancels the context of a call only after this.
		abandoned := errors.Is(ctx.Err(), context.Canceled)
		c.end(rs.Error, rs.BeginTime, rs.EndTime, abandoned)
	default:
		c.observe(rs)
	}
}

// appendCalled tells who is called. Without a connection nobody is.
func appendCalled(attributes []attribute.KeyValue, header *stats.OutHeader) []attribute.KeyValue {
	attributes = appendHostPort(attributes, header.Authority, semconv.ServerAddress, semconv.ServerPort)
	return appendPeer(attributes, header.RemoteAddr)
}

// TagConn implements stats.Handler.
func (*clientHandler) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (*clientHandler) HandleConn(context.Context, stats.ConnStats) {}
