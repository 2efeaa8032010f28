package natsmw_test

import (
	"context"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/trace"
)

// TestTenThousandMessagesAtOnce publishes 10,000 messages, which are all being
// handled at the same time. Each is processed in a span that links to its own.
func TestTenThousandMessagesAtOnce(t *testing.T) {
	const messages = 10_000
	tel := newTelemetry()
	m := tel.messenger(t)
	shared := paid()
	var inside, all sync.WaitGroup
	inside.Add(messages)
	for range messages {
		all.Go(func() {
			err := m.Publish(t.Context(), shared, func(_ context.Context, msg *nats.Msg) error {
				return m.ProcessCore(t.Context(), msg, func(context.Context, *nats.Msg) error {
					inside.Done()
					inside.Wait() // for all the others
					return nil
				})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	published := map[trace.SpanID]bool{}
	for _, span := range tel.Spans.Ended() {
		if span.SpanKind() == trace.SpanKindProducer {
			published[span.SpanContext().SpanID()] = true
		}
	}
	for _, span := range tel.Spans.Ended() {
		if span.SpanKind() != trace.SpanKindConsumer {
			continue
		}
		if links := span.Links(); len(links) != 1 || !published[links[0].SpanContext.SpanID()] {
			t.Fatalf("a span of processing has links %v, want one to a message that no other has", links)
		}
		delete(published, span.Links()[0].SpanContext.SpanID())
	}
	if spans := len(tel.Spans.Ended()); spans != 2*messages || len(published) != 0 {
		t.Errorf("%d spans, and %d messages without one of processing; want %d and none", spans, len(published), 2*messages)
	}
	for _, name := range []string{publishMetric, processMetric} {
		if series := tel.Series(t, name); len(series) != 1 || series[0].Count != messages {
			t.Errorf("%s: series are %+v, want one of %d", name, series, messages)
		}
	}
}
