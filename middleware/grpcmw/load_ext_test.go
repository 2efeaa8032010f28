package grpcmw_test

import (
	"context"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/middleware/grpcmw"
)

func TestConcurrentCalls(t *testing.T) {
	const workers, calls = 16, 25
	r := newRig()
	r.serverOptions = []grpcmw.Option{grpcmw.WithMessageEvents()}
	client := r.start(t)
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for range calls {
				switch worker % 4 {
				case 0:
					if err := r.invoke(t.Context(), "/no.Such/Method"); status.Code(err) != codes.Unimplemented {
						t.Error(err)
					}
				case 1: // Cancelled before, while or after it is served.
					ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
					_, _ = client.UnaryCall(ctx, &testpb.SimpleRequest{})
					cancel()
				default:
					if _, err := client.UnaryCall(t.Context(), &testpb.SimpleRequest{}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	r.settle()
	r.client.allEnded(t)
	var measured uint64
	for _, series := range r.client.Series(t, clientMetric) {
		measured += series.Count
	}
	if spans := len(r.client.Spans.Ended()); spans > workers*calls || int(measured) != spans {
		t.Errorf("%d calls were measured and %d have spans, of %d", measured, spans, workers*calls)
	}
	byMethod := map[string]uint64{}
	for _, series := range r.server.Series(t, serverMetric) {
		byMethod[series.Labels["rpc_method"]] += series.Count
	}
	if byMethod["_OTHER"] != workers*calls/4 || byMethod[unaryMethod] < workers*calls/2 {
		t.Errorf("server measured %v", byMethod)
	}
}

// replay is what gRPC tells a handler of one unary call.
type replay struct {
	handler stats.Handler
	ctx     context.Context
	tag     *stats.RPCTagInfo
	events  []stats.RPCStats
}

func (r *replay) call() {
	ctx := r.handler.TagRPC(r.ctx, r.tag)
	for _, event := range r.events {
		r.handler.HandleRPC(ctx, event)
	}
}

// newReplays are a server's and a client's, as they are told by gRPC 1.85.
func newReplays(t testing.TB, sampled bool) map[string]*replay {
	t.Helper()
	flags, sampler := "-00", sdktrace.ParentBased(sdktrace.NeverSample())
	if sampled {
		flags, sampler = "-01", sdktrace.ParentBased(sdktrace.AlwaysSample())
	}
	side := newTelemetry()
	side.Provider = sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler)) // A recorder would allocate.
	server, err := grpcmw.NewServerHandler(grpcmw.WithTelemetry(side))
	if err != nil {
		t.Fatal(err)
	}
	client, err := grpcmw.NewClientHandler(grpcmw.WithTelemetry(side))
	if err != nil {
		t.Fatal(err)
	}
	md := metadata.Pairs(":authority", "shop.example:9001", "content-type", "application/grpc", "user-agent", "grpc-go/1.85.0",
		"traceparent", traceparent[:len(traceparent)-3]+flags)
	begin := time.Now()
	peer := text("127.0.0.1:40000")
	tag := &stats.RPCTagInfo{FullMethodName: "/" + unaryMethod}
	remote, _ := trace.TraceIDFromHex(traceID)
	id, _ := trace.SpanIDFromHex(spanID)
	caller := trace.NewSpanContext(trace.SpanContextConfig{TraceID: remote, SpanID: id})
	if sampled {
		caller = caller.WithTraceFlags(trace.FlagsSampled)
	}
	return map[string]*replay{
		"server": {server, metadata.NewIncomingContext(t.Context(), md), tag, []stats.RPCStats{
			&stats.InHeader{FullMethod: tag.FullMethodName, RemoteAddr: peer, Header: md}, &stats.Begin{BeginTime: begin},
			&stats.InPayload{Length: 10}, &stats.OutHeader{}, &stats.OutPayload{Length: 10}, &stats.OutTrailer{},
			&stats.End{BeginTime: begin, EndTime: begin.Add(time.Millisecond)},
		}},
		"client": {client, trace.ContextWithSpanContext(t.Context(), caller), tag, []stats.RPCStats{
			&stats.Begin{Client: true, BeginTime: begin}, &stats.OutHeader{Client: true, Authority: "shop.example:9001", RemoteAddr: peer},
			&stats.OutPayload{Client: true, Length: 10}, &stats.InHeader{Client: true}, &stats.InPayload{Client: true, Length: 10},
			&stats.InTrailer{Client: true}, &stats.End{Client: true, BeginTime: begin, EndTime: begin.Add(time.Millisecond)},
		}},
	}
}

// text is an address that has nothing but its text.
type text string

func (text) Network() string  { return "tcp" }
func (t text) String() string { return string(t) }

func TestAllocations(t *testing.T) {
	for _, tt := range []struct {
		sampled        bool
		server, client float64
	}{
		{true, 7 + forgetful, 10 + forgetful},
		{false, 5, 8},
	} {
		for side, most := range map[string]float64{"server": tt.server, "client": tt.client} {
			r := newReplays(t, tt.sampled)[side]
			r.call() // The first call of a method makes what the others use.
			if got := testing.AllocsPerRun(200, r.call); got > most {
				t.Errorf("%s, sampled %v: %v allocations a call, at most %v are allowed", side, tt.sampled, got, most)
			} else {
				t.Logf("%s, sampled %v: %v allocations a call", side, tt.sampled, got)
			}
		}
	}
}
