package middleware

import (
	"context"
	"net"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"

	"github.com/waybill-dev/waybill/middleware/grpcmw"
)

// call is what gRPC 1.85 tells a stats handler of a unary call.
type call struct {
	ctx    context.Context
	tag    *stats.RPCTagInfo
	events []stats.RPCStats
}

// tell has the handler observe the call; without one it does nothing.
func (c call) tell(handler stats.Handler) {
	if handler == nil {
		return
	}
	ctx := handler.TagRPC(c.ctx, c.tag)
	for _, event := range c.events {
		handler.HandleRPC(ctx, event)
	}
}

const method = "/shop.v1.OrderService/GetOrder"

func served(mode string) call {
	client := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000}
	md := metadata.Pairs(":authority", "shop.example:9001", "content-type", "application/grpc", "user-agent", "grpc-go/1.85.0",
		"traceparent", traceparent(mode))
	begin := time.Now()
	ctx := peer.NewContext(metadata.NewIncomingContext(context.Background(), md), &peer.Peer{Addr: client})
	return call{ctx, &stats.RPCTagInfo{FullMethodName: method}, []stats.RPCStats{
		&stats.InHeader{FullMethod: method, RemoteAddr: client, Header: md}, &stats.Begin{BeginTime: begin},
		&stats.InPayload{Length: 10}, &stats.OutHeader{}, &stats.OutPayload{Length: 10}, &stats.OutTrailer{},
		&stats.End{BeginTime: begin, EndTime: begin.Add(time.Millisecond)},
	}}
}

func made(mode string) call {
	server := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9001}
	begin := time.Now()
	ctx := trace.ContextWithSpanContext(context.Background(), caller(mode))
	return call{ctx, &stats.RPCTagInfo{FullMethodName: method}, []stats.RPCStats{
		&stats.Begin{Client: true, BeginTime: begin},
		&stats.OutHeader{Client: true, FullMethod: method, Authority: "shop.example:9001", RemoteAddr: server},
		&stats.OutPayload{Client: true, Length: 10}, &stats.InHeader{Client: true}, &stats.InPayload{Client: true, Length: 10},
		&stats.InTrailer{Client: true}, &stats.End{Client: true, BeginTime: begin, EndTime: begin.Add(time.Millisecond)},
	}}
}

func grpcServer(tb testing.TB, library string, t telemetry) stats.Handler {
	tb.Helper()
	switch library {
	case waybill:
		h, err := grpcmw.NewServerHandler(grpcmw.WithTelemetry(t))
		if err != nil {
			tb.Fatal(err)
		}
		return h
	case otel:
		return otelgrpc.NewServerHandler(
			otelgrpc.WithTracerProvider(t.traces), otelgrpc.WithMeterProvider(t.meters), otelgrpc.WithPropagators(t.Propagator()))
	}
	return nil
}

func grpcClient(tb testing.TB, library string, t telemetry) stats.Handler {
	tb.Helper()
	switch library {
	case waybill:
		h, err := grpcmw.NewClientHandler(grpcmw.WithTelemetry(t))
		if err != nil {
			tb.Fatal(err)
		}
		return h
	case otel:
		return otelgrpc.NewClientHandler(
			otelgrpc.WithTracerProvider(t.traces), otelgrpc.WithMeterProvider(t.meters), otelgrpc.WithPropagators(t.Propagator()))
	}
	return nil
}

func BenchmarkGRPCServer(b *testing.B) {
	each(b, func(b *testing.B, mode, library string) {
		handler, c := grpcServer(b, library, newTelemetry(mode, drop{})), served(mode)
		measure(b, func() { c.tell(handler) })
	})
}

func BenchmarkGRPCClient(b *testing.B) {
	each(b, func(b *testing.B, mode, library string) {
		handler, c := grpcClient(b, library, newTelemetry(mode, drop{})), made(mode)
		measure(b, func() { c.tell(handler) })
	})
}
