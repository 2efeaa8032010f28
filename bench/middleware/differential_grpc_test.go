package middleware

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// watch is a stream.
const watch = "/shop.v1.OrderService/WatchOrders"

// TestGRPCServersDifferAsListed has hundreds of calls told to otelgrpc's
// handler and to ours, as gRPC tells of them, and compares what is recorded.
func TestGRPCServersDifferAsListed(t *testing.T) {
	c, random := newComparison(grpcServerRules()), rand.New(rand.NewPCG(5, 6))
	for range generated {
		a := newAnswer(random)
		record := func(library string) observation {
			return observe(t, library, func(to telemetry) { a.call().tell(grpcServer(t, library, to)) })
		}
		c.compare(t, a.String(), record(waybill), record(otel))
	}
	c.finish(t)
}

// answer is a call that a server gets, and how it ends.
type answer struct {
	method, trace, authority, peer, retried string
	messages                                int
	code                                    codes.Code
}

func (a answer) String() string {
	return fmt.Sprintf("%s with %s to %q from %s, retried %s, %d messages; it ends with %v",
		a.method, a.trace, a.authority, a.peer, a.retried, a.messages, a.code)
}

// statuses are all of gRPC's, and one that it has not.
func statuses() []codes.Code {
	list := []codes.Code{codes.OK, codes.OK, codes.OK, codes.Code(4711)}
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		list = append(list, code)
	}
	return list
}

func newAnswer(random *rand.Rand) answer {
	return answer{
		method:    one(random, method, watch, "/grpc.health.v1.Health/Check", "/no.such.Service/Method", "/nonsense"),
		trace:     one(random, slices.Sorted(maps.Keys(traces()))...),
		authority: one(random, "shop.example:9001", "shop.example", "[::1]:9001", ""),
		peer:      one(random, "TCP", "a socket"), retried: one(random, "never", "never", "2"),
		messages: random.IntN(4), code: one(random, statuses()...),
	}
}

// unknown says that the server does not have the method.
func (a answer) unknown() bool {
	return a.method == "/no.such.Service/Method" || a.method == "/nonsense"
}

func (a answer) call() call {
	md := metadata.Pairs("content-type", "application/grpc", "user-agent", "grpc-go/1.85.0")
	if a.authority != "" {
		md.Append(":authority", a.authority)
	}
	if a.retried != "never" {
		md.Append("grpc-previous-rpc-attempts", a.retried)
	}
	for _, header := range traces()[a.trace] {
		md.Append(header[0], header[1])
	}
	var from, local net.Addr = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 40000}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 9001}
	if a.peer == "a socket" {
		from, local = &net.UnixAddr{Name: "@", Net: "unix"}, &net.UnixAddr{Name: "/run/shop.sock", Net: "unix"}
	}
	ctx := peer.NewContext(metadata.NewIncomingContext(context.Background(), md), &peer.Peer{Addr: from})
	begin := time.Now()
	events := []stats.RPCStats{&stats.InHeader{FullMethod: a.method, RemoteAddr: from, LocalAddr: local, Header: md}}
	if a.unknown() {
		// gRPC neither begins nor ends it.
		return call{ctx, &stats.RPCTagInfo{FullMethodName: a.method}, append(events, &stats.OutTrailer{})}
	}
	events = append(events, &stats.Begin{BeginTime: begin, IsServerStream: a.method == watch})
	for range a.messages {
		events = append(events, &stats.InPayload{Length: 10}, &stats.OutPayload{Length: 20})
	}
	events = append(events, &stats.OutTrailer{}, &stats.End{BeginTime: begin, EndTime: begin.Add(time.Millisecond), Error: ended(a.code)})
	return call{ctx, &stats.RPCTagInfo{FullMethodName: a.method}, events}
}

func ended(code codes.Code) error {
	if code == codes.OK {
		return nil
	}
	return status.Error(code, "because")
}

// TestGRPCClientsDifferAsListed does the same with calls that are made.
func TestGRPCClientsDifferAsListed(t *testing.T) {
	c, random := newComparison(grpcClientRules()), rand.New(rand.NewPCG(7, 8))
	for range generated {
		a := newAttempt(random)
		record := func(library string) observation {
			var sent metadata.MD
			o := observe(t, library, func(to telemetry) { sent = a.tell(t, grpcClient(t, library, to)) })
			o.sent(sent["traceparent"], sent["baggage"])
			return o
		}
		c.compare(t, a.String(), record(waybill), record(otel))
	}
	c.finish(t)
}

// attempt is a call that a client makes.
type attempt struct {
	method, trace, target, passedOn, does string
	messages                              int
	code                                  codes.Code
}

func (a attempt) String() string {
	return fmt.Sprintf("%s in %s to %s, metadata %s, %d messages; it %s with %v", a.method, a.trace, a.target, a.passedOn, a.messages, a.does, a.code)
}

func newAttempt(random *rand.Rand) attempt {
	a := attempt{
		method: one(random, method, watch, "/grpc.health.v1.Health/Check"),
		trace:  one(random, "no trace", sampled, unsampled, "baggage"),
		target: one(random, "shop.example:9001", "[::1]:9001"), passedOn: one(random, "none", "none", "passed on"),
		does: one(random, "ends", "ends", "ends", "reaches nobody", "is cancelled", "is retried"), messages: random.IntN(4), code: one(random, statuses()...),
	}
	switch a.does {
	case "reaches nobody":
		a.code = codes.Unavailable
	case "is cancelled":
		a.code = codes.Canceled
	}
	return a
}

// tell has the handler observe the call, and gives the metadata that is sent.
func (a attempt) tell(t *testing.T, handler stats.Handler) metadata.MD {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	switch a.trace {
	case sampled, unsampled:
		ctx = trace.ContextWithSpanContext(ctx, caller(a.trace))
	case "baggage":
		bag, err := baggage.Parse("tenant=north")
		if err != nil {
			t.Fatal(err)
		}
		ctx = baggage.ContextWithBaggage(trace.ContextWithSpanContext(ctx, caller(sampled)), bag)
	}
	if a.passedOn != "none" {
		ctx = metadata.AppendToOutgoingContext(ctx, "tenant", "north", "traceparent", "00-"+trace.TraceID{9}.String()+"-"+trace.SpanID{9}.String()+"-01")
	}
	ctx = handler.TagRPC(ctx, &stats.RPCTagInfo{FullMethodName: a.method})
	begin := time.Now()
	handler.HandleRPC(ctx, &stats.Begin{Client: true, BeginTime: begin, IsServerStream: a.method == watch, IsTransparentRetryAttempt: a.does == "is retried"})
	if a.does != "reaches nobody" {
		handler.HandleRPC(ctx, &stats.OutHeader{
			Client: true, FullMethod: a.method, Authority: a.target, RemoteAddr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 9001},
		})
		for range a.messages {
			handler.HandleRPC(ctx, &stats.OutPayload{Client: true, Length: 10})
			handler.HandleRPC(ctx, &stats.InPayload{Client: true, Length: 20})
		}
	}
	if a.does == "is cancelled" {
		cancel()
	}
	handler.HandleRPC(ctx, &stats.End{Client: true, BeginTime: begin, EndTime: begin.Add(time.Millisecond), Error: ended(a.code)})
	md, _ := metadata.FromOutgoingContext(ctx)
	return md
}
