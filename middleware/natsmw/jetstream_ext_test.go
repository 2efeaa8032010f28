package natsmw_test

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
	"github.com/waybill-dev/waybill/middleware/natsmw"
)

const (
	publishMetric = "messaging_client_operation_duration_seconds"
	processMetric = "messaging_process_duration_seconds"
)

func paid() *nats.Msg {
	return &nats.Msg{
		Subject: "orders.paid", Data: []byte(`{"order":42}`), Header: nats.Header{jetstream.MsgIDHeader: []string{"evt_1"}},
	}
}

func acknowledge(_ context.Context, msg jetstream.Msg) error { return msg.Ack() }

func TestPublishedAndProcessed(t *testing.T) {
	b, tel := startBroker(t), newTelemetry()
	consumer := b.mailer(t)
	ctx, order := tel.Provider.Tracer("test").Start(t.Context(), "order")
	if err := tel.messenger(t).Publish(ctx, paid(), b.store); err != nil {
		t.Fatal(err)
	}
	mailer := tel.messenger(t, natsmw.WithConsumerGroup("mailer"))
	if err := mailer.Process(t.Context(), next(t, consumer), acknowledge); err != nil {
		t.Fatal(err)
	}

	published, processed := tel.named(t, "publish orders.paid"), tel.named(t, "process orders.paid")
	if published.SpanKind() != trace.SpanKindProducer || processed.SpanKind() != trace.SpanKindConsumer {
		t.Errorf("kinds are %v and %v", published.SpanKind(), processed.SpanKind())
	}
	if published.Parent().SpanID() != order.SpanContext().SpanID() {
		t.Error("publishing is not a child of what published")
	}
	if processed.Parent().IsValid() || processed.SpanContext().TraceID() == published.SpanContext().TraceID() {
		t.Error("processing is in the publisher's trace")
	}
	checkLink(t, processed, published.SpanContext())
	common := map[string]string{
		"messaging.system": "nats", "messaging.destination.name": "orders.paid",
		"messaging.message.id": "evt_1", "messaging.message.body.size": "12",
	}
	if diff := cmp.Diff(with(common, map[string]string{
		"messaging.operation.name": "publish", "messaging.operation.type": "send",
	}), instrumenttest.Attributes(published.Attributes())); diff != "" {
		t.Errorf("attributes of publishing (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(with(common, map[string]string{
		"messaging.operation.name": "process", "messaging.operation.type": "process",
		"messaging.consumer.group.name": "mailer", "messaging.nats.message.delivery_count": "1", "messaging.nats.message.outcome": "ack",
	}), instrumenttest.Attributes(processed.Attributes())); diff != "" {
		t.Errorf("attributes of processing (-want +got):\n%s", diff)
	}
	checkSeries(t, tel, publishMetric, "publish", "", published)
	checkSeries(t, tel, processMetric, "process", "mailer", processed)
}

// with adds what only one of two has to what both have.
func with(common, own map[string]string) map[string]string {
	all := maps.Clone(common)
	maps.Copy(all, own)
	return all
}

// checkLink checks that a span has one link, which leads to another span.
func checkLink(t *testing.T, span sdktrace.ReadOnlySpan, to trace.SpanContext) {
	t.Helper()
	links := span.Links()
	if len(links) != 1 || links[0].SpanContext.SpanID() != to.SpanID() || links[0].SpanContext.TraceID() != to.TraceID() {
		t.Errorf("links of %s are %v, want one to %v", span.Name(), links, to.SpanID())
	}
}

// checkSeries checks that a metric has one measurement, with the span as
// exemplar and no other labels than these.
func checkSeries(t *testing.T, tel *telemetry, metric, operation, group string, span sdktrace.ReadOnlySpan) {
	t.Helper()
	want := []instrumenttest.Measured{{
		Labels: map[string]string{
			"messaging_system": "nats", "messaging_operation_name": operation, "messaging_destination_name": "orders.paid",
			"messaging_destination_template": "", "messaging_consumer_group_name": group, "error_type": "",
		},
		Count: 1,
		Exemplar: map[string]string{
			"trace_id": span.SpanContext().TraceID().String(), "span_id": span.SpanContext().SpanID().String(),
		},
	}}
	if diff := cmp.Diff(want, tel.Series(t, metric)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", metric, diff)
	}
}

func TestProducerAsParent(t *testing.T) {
	b, tel := startBroker(t), newTelemetry()
	consumer := b.mailer(t)
	m := tel.messenger(t, natsmw.WithProducerAsParent())
	if err := m.Publish(t.Context(), paid(), b.store); err != nil {
		t.Fatal(err)
	}
	// Even when something else is around.
	ctx, around := tel.Provider.Tracer("test").Start(t.Context(), "poll")
	if err := m.Process(ctx, next(t, consumer), acknowledge); err != nil {
		t.Fatal(err)
	}
	// A message without a trace belongs to what is around, and links nowhere.
	if _, err := b.js.Publish(t.Context(), "orders.legacy", nil); err != nil {
		t.Fatal(err)
	}
	if err := m.Process(ctx, next(t, consumer), acknowledge); err != nil {
		t.Fatal(err)
	}
	published, processed := tel.named(t, "publish orders.paid"), tel.named(t, "process orders.paid")
	if processed.Parent().SpanID() != published.SpanContext().SpanID() || processed.SpanContext().TraceID() != published.SpanContext().TraceID() {
		t.Error("processing is not a child of publishing")
	}
	checkLink(t, processed, published.SpanContext())
	legacy := tel.named(t, "process orders.legacy")
	if legacy.Parent().SpanID() != around.SpanContext().SpanID() || len(legacy.Links()) != 0 {
		t.Errorf("a message without a trace has parent %v and links %v", legacy.Parent().SpanID(), legacy.Links())
	}
}

func TestProcessingBelongsToWhatIsAround(t *testing.T) {
	b, tel := startBroker(t), newTelemetry()
	consumer := b.mailer(t)
	m := tel.messenger(t)
	if err := m.Publish(t.Context(), paid(), b.store); err != nil {
		t.Fatal(err)
	}
	ctx, around := tel.Provider.Tracer("test").Start(t.Context(), "batch")
	if err := m.Process(ctx, next(t, consumer), acknowledge); err != nil {
		t.Fatal(err)
	}
	processed := tel.named(t, "process orders.paid")
	if processed.Parent().SpanID() != around.SpanContext().SpanID() {
		t.Errorf("parent is %v, want what is around", processed.Parent().SpanID())
	}
	checkLink(t, processed, tel.named(t, "publish orders.paid").SpanContext())
}

func TestRedeliveriesAreCounted(t *testing.T) {
	b, tel := startBroker(t), newTelemetry()
	consumer := b.mailer(t)
	m := tel.messenger(t)
	if err := m.Publish(t.Context(), paid(), b.store); err != nil {
		t.Fatal(err)
	}
	smtp := errors.New("mail server is away")
	err := m.Process(t.Context(), next(t, consumer), func(_ context.Context, msg jetstream.Msg) error {
		return errors.Join(smtp, msg.Nak())
	})
	if !errors.Is(err, smtp) {
		t.Fatalf("Process returned %v", err)
	}
	if err := m.Process(t.Context(), next(t, consumer), acknowledge); err != nil {
		t.Fatal(err)
	}
	ended := tel.Spans.Ended()[1:]
	for i, want := range []struct {
		delivery, errorType string
		status              sdktrace.Status
	}{
		{"1", "_OTHER", sdktrace.Status{Code: codes.Error, Description: smtp.Error()}},
		{"2", "", sdktrace.Status{}},
	} {
		got := instrumenttest.Attributes(ended[i].Attributes())
		if got["messaging.nats.message.delivery_count"] != want.delivery || got["error.type"] != want.errorType || ended[i].Status() != want.status {
			t.Errorf("delivery %d: attributes %v and status %v", i+1, got, ended[i].Status())
		}
		// The durable consumer is known from the message.
		if got["messaging.consumer.group.name"] != "mailer" {
			t.Errorf("delivery %d is for group %q", i+1, got["messaging.consumer.group.name"])
		}
	}
	byType := map[string]uint64{}
	for _, series := range tel.Series(t, processMetric) {
		byType[series.Labels["error_type"]] += series.Count
		if group := series.Labels["messaging_consumer_group_name"]; group != "" {
			t.Errorf("a metric has group %q, which nobody has configured", group)
		}
	}
	if diff := cmp.Diff(map[string]uint64{"": 1, "_OTHER": 1}, byType); diff != "" {
		t.Errorf("measurements by error_type (-want +got):\n%s", diff)
	}
}

func TestBaggageReachesTheConsumer(t *testing.T) {
	for name, options := range map[string][]natsmw.Option{"link": nil, "child": {natsmw.WithProducerAsParent()}} {
		t.Run(name, func(t *testing.T) {
			tel := newTelemetry()
			m := tel.messenger(t, options...)
			member, err := baggage.NewMember("tenant", "north")
			if err != nil {
				t.Fatal(err)
			}
			bag, err := baggage.New(member)
			if err != nil {
				t.Fatal(err)
			}
			var sent *nats.Msg
			if err := m.Publish(baggage.ContextWithBaggage(t.Context(), bag), paid(), func(_ context.Context, msg *nats.Msg) error {
				sent = msg
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if err := m.ProcessCore(t.Context(), sent, func(ctx context.Context, _ *nats.Msg) error {
				if got := baggage.FromContext(ctx).String(); got != "tenant=north" {
					t.Errorf("baggage is %q", got)
				}
				if trace.SpanFromContext(ctx).SpanContext().IsRemote() {
					t.Error("the handler's context is not in the span of processing")
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}
