package grpcmw_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/waybill-dev/waybill/middleware/grpcmw"
	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
)

const duplexMethod = "grpc.testing.TestService/FullDuplexCall"

// talk sends that many messages of 100 bytes and has each answered.
func talk(t *testing.T, stream testpb.TestService_FullDuplexCallClient, messages int) {
	t.Helper()
	for range messages {
		if err := stream.Send(&testpb.StreamingOutputCallRequest{Payload: &testpb.Payload{Body: make([]byte, 100)}}); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStreamIsOneSpanAndOneMeasurement(t *testing.T) {
	r := newRig()
	client := r.start(t)
	stream, err := client.FullDuplexCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	talk(t, stream, 3)
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	r.settle()
	for name, side := range map[string]*telemetry{clientMetric: r.client, serverMetric: r.server} {
		span := side.onlySpan(t)
		if span.Name() != duplexMethod || len(span.Events()) != 0 {
			t.Errorf("span is %q with %d events, want none unless asked for", span.Name(), len(span.Events()))
		}
		if got := instrumenttest.Attributes(span.Attributes()); got["waybill.rpc.messages.sent"] != "3" || got["waybill.rpc.messages.received"] != "3" {
			t.Errorf("%s: attributes are %v, want 3 messages each way", name, got)
		}
		if series := side.Series(t, name); len(series) != 1 || series[0].Count != 1 {
			t.Errorf("%s: %+v, want one measurement", name, series)
		}
	}
}

func TestMessageEvents(t *testing.T) {
	r := newRig()
	r.clientOptions = []grpcmw.Option{grpcmw.WithMessageEvents()}
	r.serverOptions = []grpcmw.Option{grpcmw.WithMessageEvents()}
	client := r.start(t)
	stream, err := client.FullDuplexCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	talk(t, stream, 2)
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	r.settle()
	want := []event{
		{"Outbound message", map[string]string{"sequence-number": "0", "message-size": "104"}},
		{"Inbound message", map[string]string{"sequence-number": "0", "message-size": "104"}},
		{"Outbound message", map[string]string{"sequence-number": "1", "message-size": "104"}},
		{"Inbound message", map[string]string{"sequence-number": "1", "message-size": "104"}},
	}
	if diff := cmp.Diff(want, events(r.client.onlySpan(t))); diff != "" {
		t.Errorf("client's events (-want +got):\n%s", diff)
	}
	want[0], want[1], want[2], want[3] = want[1], want[0], want[3], want[2]
	if diff := cmp.Diff(want, events(r.server.onlySpan(t))); diff != "" {
		t.Errorf("server's events (-want +got):\n%s", diff)
	}
}

type event struct {
	Name       string
	Attributes map[string]string
}

func events(span sdktrace.ReadOnlySpan) []event {
	var list []event
	for _, e := range span.Events() {
		list = append(list, event{e.Name, instrumenttest.Attributes(e.Attributes)})
	}
	return list
}

func TestStreamThatTheCallerLeavesIsNoError(t *testing.T) {
	r := newRig()
	client := r.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := client.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	talk(t, stream, 1)
	cancel()
	for err == nil {
		_, err = stream.Recv()
	}
	r.settle()
	checkOutcome(t, r.client, clientMetric, "CANCELLED", false)
	r.server.allEnded(t)
	if series := r.server.Series(t, serverMetric); len(series) != 1 || series[0].Labels["error_type"] != "" {
		t.Errorf("server's series are %+v", series)
	}
}
