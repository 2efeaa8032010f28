package grpcmw_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/middleware/grpcmw"
)

const (
	traceID     = "0af7651916cd43dd8448eb211c80319c"
	spanID      = "b7ad6b7169203331"
	traceparent = "00-" + traceID + "-" + spanID + "-01"
)

// seen is what a handler has seen of the trace.
type seen struct {
	span     trace.SpanContext
	baggage  string
	metadata metadata.MD
}

// watch has the rig's handler tell what it sees.
func (r *rig) watch() *seen {
	s := &seen{}
	r.impl.unary = func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		s.span, s.baggage = trace.SpanContextFromContext(ctx), baggage.FromContext(ctx).String()
		s.metadata, _ = metadata.FromIncomingContext(ctx)
		return &testpb.SimpleResponse{}, nil
	}
	return s
}

func TestServerReadsTraceContext(t *testing.T) {
	tests := []struct {
		name       string
		metadata   []string
		taken      bool
		tracestate string
	}{
		{"one traceparent", []string{"traceparent", traceparent}, true, ""},
		{"none", nil, false, ""},
		{"malformed", []string{"traceparent", "00-" + traceID}, false, ""},
		{"two traceparents", []string{"traceparent", traceparent, "traceparent", strings.Replace(traceparent, "b7", "c7", 1)}, false, ""},
		{"the same traceparent twice", []string{"traceparent", traceparent, "traceparent", traceparent}, false, ""},
		{"one tracestate", []string{"traceparent", traceparent, "tracestate", "a=1,b=2"}, true, "a=1,b=2"},
		{"several tracestates", []string{"traceparent", traceparent, "tracestate", "a=1", "tracestate", "b=2,c=3"}, true, "a=1,b=2,c=3"},
		{"malformed tracestate", []string{"traceparent", traceparent, "tracestate", "=,="}, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig()
			r.client = nil
			s := r.watch()
			client := r.start(t)
			ctx := metadata.AppendToOutgoingContext(t.Context(), tt.metadata...)
			if _, err := client.UnaryCall(ctx, &testpb.SimpleRequest{}); err != nil {
				t.Fatal(err)
			}
			r.settle()
			span := r.server.onlySpan(t)
			if taken := span.SpanContext().TraceID().String() == traceID && span.Parent().SpanID().String() == spanID; taken != tt.taken {
				t.Errorf("the caller's trace was taken: %v, want %v", taken, tt.taken)
			}
			if !span.SpanContext().Equal(s.span) {
				t.Error("the handler's context is not in the span")
			}
			if got := s.span.TraceState().String(); got != tt.tracestate {
				t.Errorf("tracestate is %q, want %q", got, tt.tracestate)
			}
		})
	}
}

func TestBaggageCrosses(t *testing.T) {
	r := newRig()
	s := r.watch()
	client := r.start(t)
	member, err := baggage.NewMember("tenant", "north")
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.UnaryCall(baggage.ContextWithBaggage(t.Context(), bag), &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	if s.baggage != "tenant=north" {
		t.Errorf("baggage is %q", s.baggage)
	}
}

func TestSeveralBaggageHeadersAreJoined(t *testing.T) {
	r := newRig()
	r.client = nil
	s := r.watch()
	client := r.start(t)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "baggage", "tenant=north", "baggage", "shop=7")
	if _, err := client.UnaryCall(ctx, &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	members := strings.Split(s.baggage, ",")
	slices.Sort(members)
	if got := strings.Join(members, ","); got != "shop=7,tenant=north" {
		t.Errorf("baggage is %q", got)
	}
}

func TestClientReplacesTraceContextThatWasPassedOn(t *testing.T) {
	r := newRig()
	s := r.watch()
	client := r.start(t)
	// A proxy that passes on all metadata of the call that came in.
	ctx := metadata.NewOutgoingContext(t.Context(), metadata.Pairs("traceparent", traceparent, "tenant", "north"))
	ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", traceparent, "token", "secret")
	if _, err := client.UnaryCall(ctx, &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	r.settle()
	want := r.client.onlySpan(t).SpanContext()
	if got := s.metadata["traceparent"]; len(got) != 1 || !strings.Contains(got[0], want.SpanID().String()) {
		t.Errorf("traceparent is %q, want one with span %s", got, want.SpanID())
	}
	if got := strings.Join(append(s.metadata["tenant"], s.metadata["token"]...), " "); got != "north secret" {
		t.Errorf("other metadata is %q", got)
	}
}

func TestHandlersOnOneConnectionDoNotMixTheirCalls(t *testing.T) {
	r := newRig()
	outer := newTelemetry()
	handler, err := grpcmw.NewClientHandler(grpcmw.WithTelemetry(outer))
	if err != nil {
		t.Fatal(err)
	}
	r.options = append(r.options, grpc.WithStatsHandler(handler))
	// The handler calls the server again, so that six calls lie in one context.
	r.impl.unary = func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		if err := r.invoke(ctx, "/grpc.testing.TestService/EmptyCall"); status.Code(err) != codes.Unimplemented {
			t.Errorf("EmptyCall ended with %v", err)
		}
		return &testpb.SimpleResponse{}, nil
	}
	client := r.start(t)
	if _, err := client.UnaryCall(t.Context(), &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	r.settle()
	for _, side := range []*telemetry{r.client, r.server, outer} {
		side.allEnded(t)
		if n := len(side.Spans.Ended()); n != 2 {
			t.Errorf("%d spans, want 2", n)
		}
	}
}

func TestPublicEndpointBeginsATraceWithALink(t *testing.T) {
	r := newRig()
	r.client = nil
	r.serverOptions = []grpcmw.Option{grpcmw.WithPublicEndpoint()}
	client := r.start(t)
	for _, ctx := range []context.Context{t.Context(), metadata.AppendToOutgoingContext(t.Context(), "traceparent", traceparent)} {
		if _, err := client.UnaryCall(ctx, &testpb.SimpleRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	r.settle()
	for _, span := range r.server.Spans.Ended() {
		if span.Parent().IsValid() || span.SpanContext().TraceID().String() == traceID {
			t.Error("the span is in the caller's trace")
		}
	}
	linked := 0
	for _, span := range r.server.Spans.Ended() {
		for _, link := range span.Links() {
			linked++
			if link.SpanContext.SpanID().String() != spanID {
				t.Errorf("link leads to %v", link.SpanContext)
			}
		}
	}
	if linked != 1 {
		t.Errorf("%d links, want 1: only one call had a trace", linked)
	}
}

func TestPublicEndpointWithoutSpanPassesNothingOn(t *testing.T) {
	r := newRig()
	r.client = nil
	r.serverOptions = []grpcmw.Option{grpcmw.WithPublicEndpoint(), grpcmw.WithFilter(func(string) bool { return false })}
	s := r.watch()
	client := r.start(t)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", traceparent)
	if _, err := client.UnaryCall(ctx, &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	if s.span.IsValid() {
		t.Errorf("the handler's context has the caller's trace %s", s.span.TraceID())
	}
}

func TestHealthChecksAreMeasuredButNotTraced(t *testing.T) {
	r := newRig()
	r.start(t)
	if _, err := healthv1.NewHealthClient(r.conn).Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	r.settle()
	for name, side := range map[string]*telemetry{clientMetric: r.client, serverMetric: r.server} {
		if n := len(side.Spans.Started()); n != 0 {
			t.Errorf("%s: %d spans were started", name, n)
		}
		series := side.Series(t, name)
		if len(series) != 1 || series[0].Labels["rpc_method"] != "grpc.health.v1.Health/Check" || series[0].Count != 1 {
			t.Errorf("%s: %+v, want one measurement", name, series)
		}
	}
}

func TestFilteredCallPassesTheTraceOn(t *testing.T) {
	r := newRig()
	never := grpcmw.WithFilter(func(string) bool { return false })
	r.serverOptions, r.clientOptions = []grpcmw.Option{never}, []grpcmw.Option{never}
	s := r.watch()
	client := r.start(t)
	ctx, parent := r.client.Provider.Tracer("test").Start(t.Context(), "order")
	if _, err := client.UnaryCall(ctx, &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	if s.span.SpanID() != parent.SpanContext().SpanID() || !s.span.IsRemote() {
		t.Errorf("the handler's context has span %v, want the caller's", s.span)
	}
	if n := len(r.server.Spans.Started()); n != 0 {
		t.Errorf("%d spans were started on the server", n)
	}
}
