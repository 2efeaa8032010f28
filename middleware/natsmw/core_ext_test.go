package natsmw_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
	"github.com/waybill-dev/waybill/middleware/natsmw"
)

func TestRequestAndReplyOverCoreNATS(t *testing.T) {
	b, tel := startBroker(t), newTelemetry()
	m := tel.messenger(t)
	replied := make(chan error, 1)
	// The responder is part of the requester's trace if its publisher is the parent.
	responder := tel.messenger(t, natsmw.WithProducerAsParent())
	if _, err := b.conn.QueueSubscribe("stock.check", "inventory", func(msg *nats.Msg) {
		replied <- responder.ProcessCore(t.Context(), msg, func(ctx context.Context, msg *nats.Msg) error {
			return responder.Publish(ctx, nats.NewMsg(msg.Reply), func(_ context.Context, out *nats.Msg) error { return b.conn.PublishMsg(out) })
		})
	}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := m.Publish(ctx, nats.NewMsg("stock.check"), func(ctx context.Context, msg *nats.Msg) error {
		_, err := b.conn.RequestMsgWithContext(ctx, msg)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := <-replied; err != nil {
		t.Fatal(err)
	}

	request, process, reply := tel.named(t, "publish stock.check"), tel.named(t, "process stock.check"), tel.named(t, "publish (temporary)")
	if process.Parent().SpanID() != request.SpanContext().SpanID() || reply.Parent().SpanID() != process.SpanContext().SpanID() {
		t.Error("request, processing and reply are not one chain")
	}
	if got := instrumenttest.Attributes(process.Attributes())["messaging.consumer.group.name"]; got != "inventory" {
		t.Errorf("consumer group is %q", got)
	}
	got := instrumenttest.Attributes(reply.Attributes())
	if !strings.HasPrefix(got["messaging.destination.name"], "_INBOX.") || got["messaging.destination.temporary"] != "true" {
		t.Errorf("attributes of the reply are %v", got)
	}
	// Inboxes are as many as connections, and make one series.
	templates := map[string]string{}
	for _, series := range tel.Series(t, publishMetric) {
		templates[series.Labels["messaging_destination_name"]] = series.Labels["messaging_destination_template"]
	}
	if diff := cmp.Diff(map[string]string{"stock.check": "", "": "(temporary)"}, templates); diff != "" {
		t.Errorf("destinations of the metric (-want +got):\n%s", diff)
	}
}

func TestSubjectsAreNamedByTheOption(t *testing.T) {
	tel := newTelemetry()
	m := tel.messenger(t, natsmw.WithDestination(func(subject string) string {
		parts := strings.Split(subject, ".")
		parts[1] = "*"
		return strings.Join(parts, ".")
	}))
	for _, subject := range []string{"orders.1.paid", "orders.2.paid"} {
		if err := m.Publish(t.Context(), nats.NewMsg(subject), func(context.Context, *nats.Msg) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for i, subject := range []string{"orders.1.paid", "orders.2.paid"} {
		span := tel.Spans.Ended()[i]
		got := instrumenttest.Attributes(span.Attributes())
		if span.Name() != "publish orders.*.paid" || got["messaging.destination.template"] != "orders.*.paid" || got["messaging.destination.name"] != subject {
			t.Errorf("span %q has %v", span.Name(), got)
		}
	}
	series := tel.Series(t, publishMetric)
	if len(series) != 1 || series[0].Count != 2 || series[0].Labels["messaging_destination_template"] != "orders.*.paid" ||
		series[0].Labels["messaging_destination_name"] != "" {
		t.Errorf("series are %+v", series)
	}
}

func TestForgottenDestinationsStayWithinTheLimitOfSeries(t *testing.T) {
	tel := newTelemetry()
	m := tel.messenger(t)
	const messages = 2100
	for i := range messages {
		msg := nats.NewMsg("orders." + strings.Repeat("x", i%70) + "." + strings.Repeat("y", i/70))
		if err := m.Publish(t.Context(), msg, func(context.Context, *nats.Msg) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	series := tel.Series(t, publishMetric)
	var total uint64
	for _, s := range series {
		total += s.Count
	}
	if len(series) > 2001 || total != messages {
		t.Errorf("%d series with %d measurements, want at most 2001 with %d", len(series), total, messages)
	}
}
