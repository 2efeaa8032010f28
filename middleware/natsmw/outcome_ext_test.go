package natsmw_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
)

// declined names its own type.
type declined struct{}

func (declined) Error() string     { return "card is declined" }
func (declined) ErrorType() string { return "card_declined" }

func TestErrorTypes(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{errors.New("no"), "_OTHER"},
		{fmt.Errorf("charge: %w", declined{}), "card_declined"},
		{fmt.Errorf("store: %w", context.DeadlineExceeded), "timeout"},
		{nats.ErrTimeout, "timeout"},
		{context.Canceled, "canceled"}, // By somebody else: the caller's context is alive.
		{nats.ErrNoResponders, "no_responders"},
		{jetstream.ErrNoStreamResponse, "no_responders"},
		{nats.ErrConnectionClosed, "disconnected"},
		{&jetstream.APIError{Code: 503, ErrorCode: 10077}, "jetstream_10077"},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			tel := newTelemetry()
			if err := tel.messenger(t).Publish(t.Context(), paid(), func(context.Context, *nats.Msg) error { return tt.err }); !errors.Is(err, tt.err) {
				t.Fatalf("Publish returned %v", err)
			}
			span := tel.named(t, "publish orders.paid")
			if got := instrumenttest.Attributes(span.Attributes())["error.type"]; got != tt.want {
				t.Errorf("error.type is %q, want %q", got, tt.want)
			}
			if got, want := span.Status(), (sdktrace.Status{Code: codes.Error, Description: tt.err.Error()}); got != want {
				t.Errorf("status is %+v, want %+v", got, want)
			}
			if series := tel.Series(t, publishMetric); len(series) != 1 || series[0].Labels["error_type"] != tt.want {
				t.Errorf("series are %+v", series)
			}
		})
	}
}

func TestRealFailuresOfPublishing(t *testing.T) {
	b := startBroker(t)
	b.mailer(t)
	for name, tt := range map[string]struct {
		subject string
		send    func(context.Context, *nats.Msg) error
		want    string
	}{
		"nobody stores it": {"nowhere", b.store, "no_responders"},
		"nobody answers": {"nowhere", func(ctx context.Context, msg *nats.Msg) error {
			_, err := b.conn.RequestMsgWithContext(ctx, msg)
			return err
		}, "no_responders"},
		"the stream refuses": {"orders.paid", func(ctx context.Context, msg *nats.Msg) error {
			_, err := b.js.PublishMsg(ctx, msg, jetstream.WithExpectStream("OTHERS"))
			return err
		}, "jetstream_10060"},
		"the deadline passes": {"orders.paid", func(ctx context.Context, msg *nats.Msg) error {
			ctx, cancel := context.WithTimeout(ctx, 0)
			defer cancel()
			return b.store(ctx, msg)
		}, "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			tel := newTelemetry()
			if err := tel.messenger(t).Publish(t.Context(), nats.NewMsg(tt.subject), tt.send); err == nil {
				t.Fatal("publishing succeeded")
			}
			if got := instrumenttest.Attributes(tel.named(t, "publish "+tt.subject).Attributes())["error.type"]; got != tt.want {
				t.Errorf("error.type is %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCallersOwnCancellationIsNoError(t *testing.T) {
	tel := newTelemetry()
	ctx, cancel := context.WithCancel(t.Context())
	err := tel.messenger(t).ProcessCore(ctx, paid(), func(ctx context.Context, _ *nats.Msg) error {
		cancel()
		<-ctx.Done()
		return fmt.Errorf("send mail: %w", ctx.Err())
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	span := tel.named(t, "process orders.paid")
	if got := instrumenttest.Attributes(span.Attributes())["error.type"]; got != "" || span.Status().Code != codes.Unset {
		t.Errorf("error.type is %q and status %v", got, span.Status())
	}
	if series := tel.Series(t, processMetric); len(series) != 1 || series[0].Labels["error_type"] != "" || series[0].Count != 1 {
		t.Errorf("series are %+v", series)
	}
}

func TestPanicIsRecordedAndGoesOn(t *testing.T) {
	tel := newTelemetry()
	m := tel.messenger(t)
	func() {
		defer func() {
			if cause := recover(); cause != "out of ink" {
				t.Errorf("recovered %v", cause)
			}
		}()
		_ = m.ProcessCore(t.Context(), paid(), func(context.Context, *nats.Msg) error { panic("out of ink") })
	}()
	checkFailure(t, tel, "panic", "panic: out of ink")
	events := tel.named(t, "process orders.paid").Events()
	if len(events) != 1 || events[0].Name != "exception" {
		t.Fatalf("events are %v", events)
	}
	got := instrumenttest.Attributes(events[0].Attributes)
	if got["exception.type"] != "string" || !strings.Contains(got["exception.stacktrace"], "TestPanicIsRecordedAndGoesOn") {
		t.Errorf("exception is %v", got)
	}
}

func TestGoexitEndsTheSpan(t *testing.T) {
	tel := newTelemetry()
	m := tel.messenger(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = m.ProcessCore(t.Context(), paid(), func(context.Context, *nats.Msg) error {
			runtime.Goexit()
			return nil
		})
	})
	wg.Wait()
	checkFailure(t, tel, "goexit", "the goroutine has ended")
}

func checkFailure(t *testing.T, tel *telemetry, errorType, description string) {
	t.Helper()
	span := tel.named(t, "process orders.paid")
	if got := instrumenttest.Attributes(span.Attributes())["error.type"]; got != errorType || span.Status().Description != description {
		t.Errorf("error.type is %q and status %+v", got, span.Status())
	}
	if series := tel.Series(t, processMetric); len(series) != 1 || series[0].Labels["error_type"] != errorType {
		t.Errorf("series are %+v", series)
	}
}

func TestUnsampledMessagesAreMeasuredAndCarryTheDecision(t *testing.T) {
	tel := newTelemetry(sdktrace.WithSampler(sdktrace.NeverSample()))
	m := tel.messenger(t)
	if err := m.Publish(t.Context(), paid(), func(_ context.Context, msg *nats.Msg) error {
		if value := msg.Header.Get("traceparent"); !strings.HasSuffix(value, "-00") {
			t.Errorf("traceparent is %q", value)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if series := tel.Series(t, publishMetric); len(series) != 1 || series[0].Count != 1 || series[0].Exemplar != nil {
		t.Errorf("series are %+v, want one measurement without exemplar", series)
	}
}

func TestConcurrentMessages(t *testing.T) {
	b, tel := startBroker(t), newTelemetry()
	consumer := b.mailer(t)
	m := tel.messenger(t)
	const publishers, each = 8, 20
	shared := paid()
	delete(shared.Header, jetstream.MsgIDHeader) // The stream would keep only one.
	var wg sync.WaitGroup
	for range publishers {
		wg.Go(func() {
			for range each {
				if err := m.Publish(t.Context(), shared, b.store); err != nil {
					t.Error(err)
				}
			}
		})
	}
	handled := make(chan error, publishers*each)
	consuming, err := consumer.Consume(func(msg jetstream.Msg) { handled <- m.Process(t.Context(), msg, acknowledge) })
	if err != nil {
		t.Fatal(err)
	}
	defer consuming.Stop()
	timeout := time.After(30 * time.Second)
	for range publishers * each {
		select {
		case err := <-handled:
			if err != nil {
				t.Error(err)
			}
		case <-timeout:
			t.Fatal("not all messages came")
		}
	}
	wg.Wait()
	if n := len(tel.Spans.Ended()); n != 2*publishers*each {
		t.Errorf("%d spans, want %d", n, 2*publishers*each)
	}
	if series := tel.Series(t, processMetric); len(series) != 1 || series[0].Count != publishers*each {
		t.Errorf("series are %+v", series)
	}
}
