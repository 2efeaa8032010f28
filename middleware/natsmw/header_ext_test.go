package natsmw_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/natsmw"
)

const (
	traceID     = "0af7651916cd43dd8448eb211c80319c"
	traceparent = "00-" + traceID + "-b7ad6b7169203331-01"
	another     = "00-" + traceID + "-c7ad6b7169203331-01"
)

func TestConsumerReadsTraceContext(t *testing.T) {
	tests := []struct {
		name       string
		header     nats.Header
		taken      bool
		tracestate string
	}{
		{"lower case", nats.Header{"traceparent": {traceparent}}, true, ""},
		{"canonical case", nats.Header{"Traceparent": {traceparent}, "Tracestate": {"a=1"}}, true, "a=1"},
		{"no headers", nil, false, ""},
		{"malformed", nats.Header{"traceparent": {traceID}}, false, ""},
		{"empty", nats.Header{"traceparent": {}}, false, ""},
		{"twice", nats.Header{"traceparent": {traceparent, another}}, false, ""},
		{"in two spellings", nats.Header{"traceparent": {traceparent}, "Traceparent": {another}}, false, ""},
		{"several tracestates", nats.Header{"traceparent": {traceparent}, "tracestate": {"a=1", "b=2"}}, true, "a=1,b=2"},
		{"tracestates in two spellings", nats.Header{"traceparent": {traceparent}, "tracestate": {"b=2"}, "Tracestate": {"a=1"}}, true, "a=1,b=2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tel := newTelemetry()
			m := tel.messenger(t, natsmw.WithProducerAsParent())
			if err := m.ProcessCore(t.Context(), &nats.Msg{Subject: "orders.paid", Header: tt.header}, func(ctx context.Context, _ *nats.Msg) error {
				span := trace.SpanContextFromContext(ctx)
				if taken := span.TraceID().String() == traceID; taken != tt.taken {
					t.Errorf("the publisher's trace was taken: %v, want %v", taken, tt.taken)
				}
				if got := span.TraceState().String(); got != tt.tracestate {
					t.Errorf("tracestate is %q, want %q", got, tt.tracestate)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestPublishReplacesTraceContextAndLeavesTheMessageAlone(t *testing.T) {
	tel := newTelemetry()
	m := tel.messenger(t)
	original := func() *nats.Msg {
		return &nats.Msg{Subject: "letters", Reply: "answers", Data: []byte("x"), Header: nats.Header{"Traceparent": {another}, "Tenant": {"north"}}}
	}
	msg := original()
	var sent *nats.Msg
	if err := m.Publish(t.Context(), msg, func(_ context.Context, out *nats.Msg) error {
		sent = out
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if !msg.Equal(original()) {
		t.Errorf("the message was changed: %+v", msg)
	}
	span := tel.named(t, "publish letters").SpanContext()
	want := nats.Header{"traceparent": {"00-" + span.TraceID().String() + "-" + span.SpanID().String() + "-01"}, "Tenant": {"north"}}
	if diff := cmp.Diff(want, sent.Header); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if sent.Subject != msg.Subject || sent.Reply != msg.Reply || string(sent.Data) != "x" {
		t.Errorf("sent %+v", sent)
	}
	if err := m.Publish(t.Context(), &nats.Msg{Subject: "bare"}, func(_ context.Context, out *nats.Msg) error {
		if len(out.Header["traceparent"]) != 1 {
			t.Errorf("headers are %v", out.Header)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
