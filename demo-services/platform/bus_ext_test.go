package platform_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
	"github.com/waybill-dev/waybill/middleware"
)

// patience is how long a test waits for what should take a moment.
const patience = 30 * time.Second

// testBus is a broker, a service that is connected to it, and a view of the
// broker from beside.
type testBus struct {
	*platform.Bus
	url       string
	js        jetstream.JetStream
	telemetry *middleware.Telemetry
}

func newTestBus(t *testing.T) testBus {
	t.Helper()
	broker, err := platform.StartBroker(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	conn, err := nats.Connect(broker.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	b := testBus{url: broker.URL(), telemetry: platformtest.Telemetry(t)}
	if b.js, err = jetstream.New(conn); err != nil {
		t.Fatal(err)
	}
	host, err := platform.Start(t.Context(), b.telemetry, func(h *platform.Host) (err error) {
		b.Bus, err = h.ConnectBus(broker.URL())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Shutdown(context.WithoutCancel(t.Context())) })
	if err := b.EnsureStreams(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// consume runs a consumer; stop ends it and returns once it has.
func (b testBus) consume(t *testing.T, c platform.Consumer, handle platform.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.Consume(ctx, c, handle); !errors.Is(err, context.Canceled) {
			t.Errorf("Consume: %v", err)
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(stop)
	return stop
}

// impatient has what takes seconds otherwise take milliseconds.
func impatient() platform.Consumer {
	c := platform.DefaultConsumer("test", platform.StreamOrders, platform.SubjectConfirmed)
	c.Backoff = []time.Duration{10 * time.Millisecond, 20 * time.Millisecond}
	c.Grace = 50 * time.Millisecond
	return c
}

func (b testBus) publish(t *testing.T, id string, payload []byte, headers map[string]string) {
	t.Helper()
	err := b.Publish(t.Context(), platform.Message{Subject: platform.SubjectConfirmed, ID: id, Headers: headers, Payload: payload})
	if err != nil {
		t.Fatal(err)
	}
}

func event(t *testing.T, id string) []byte {
	t.Helper()
	raw, err := json.Marshal(platform.Event{ID: id, Type: "order.confirmed", Time: time.Now(), Version: 1, Data: json.RawMessage(`{}`)})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// wantSettled waits until the server knows that every message is done with.
func (b testBus) wantSettled(t *testing.T, durable string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		consumer, err := b.js.Consumer(t.Context(), platform.StreamOrders, durable)
		if err != nil {
			t.Fatal(err)
		}
		info, err := consumer.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if info.NumAckPending == 0 && info.NumPending == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d messages are not acknowledged, %d not delivered", info.NumAckPending, info.NumPending)
		}
	}
}

func TestEventIsDeliveredUntilItIsHandled(t *testing.T) {
	b := newTestBus(t)
	deliveries := make(chan trace.SpanContext, 10)
	n := 0
	c := impatient()
	c.Parallel = 1
	b.consume(t, c, func(ctx context.Context, e platform.Event) error {
		deliveries <- trace.SpanContextFromContext(ctx)
		if n++; n <= len(c.Backoff) {
			return errors.New("not yet")
		}
		if e.ID != "evt_1" {
			t.Errorf("event %q, want evt_1", e.ID)
		}
		return nil
	})
	const traceID = "0af7651916cd43dd8448eb211c80319c"
	b.publish(t, "evt_1", event(t, "evt_1"), map[string]string{"traceparent": "00-" + traceID + "-b7ad6b7169203331-01"})
	for range len(c.Backoff) + 1 {
		if got := receive(t, deliveries).TraceID().String(); got != traceID {
			t.Errorf("the event is handled in trace %s, want that of its publisher, %s", got, traceID)
		}
	}
	b.wantSettled(t, c.Durable)
	if letters := b.deadLetters(t); len(letters) != 0 {
		t.Errorf("dead letters: %v", letters)
	}
}

// letter is a dead letter and what is said of it.
type letter struct{ Subject, Reason, Consumer, Origin, Data string }

func (b testBus) deadLetters(t *testing.T) []letter {
	t.Helper()
	stream, err := b.js.Stream(t.Context(), platform.StreamDeadLetters)
	if err != nil {
		t.Fatal(err)
	}
	var letters []letter
	for seq := uint64(1); ; seq++ {
		m, err := stream.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return letters
		}
		if err != nil {
			t.Fatal(err)
		}
		letters = append(letters, letter{
			m.Subject, m.Header.Get("Dead-Letter-Reason"), m.Header.Get("Dead-Letter-Consumer"),
			m.Header.Get("Dead-Letter-Subject"), string(m.Data),
		})
	}
}

func TestWhatCannotBeHandledGoesToTheDeadLetters(t *testing.T) {
	for _, c := range []struct {
		name       string
		payload    string
		answer     error
		deliveries int
		reason     string
	}{
		{"poison", "", errors.Join(platform.ErrPoison, errors.New("unknown type")), 1, "message can't be handled unknown type"},
		{"always failing", "", errors.New("mail server is down"), 3, "mail server is down"},
		{"not JSON", "{", nil, 0, "message can't be handled decode event: unexpected end of JSON input"},
		{"not an event", "{}", nil, 0, "message can't be handled event has no id or no type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newTestBus(t)
			deliveries := make(chan struct{}, 10)
			b.consume(t, impatient(), func(context.Context, platform.Event) error {
				deliveries <- struct{}{}
				return c.answer
			})
			payload := []byte(c.payload)
			if c.payload == "" {
				payload = event(t, "evt_1")
			}
			b.publish(t, "evt_1", payload, nil)
			for range c.deliveries {
				receive(t, deliveries)
			}
			var got []letter
			for deadline := time.Now().Add(patience); len(got) == 0 && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
				got = b.deadLetters(t)
			}
			want := []letter{{"deadletters.test.orders.confirmed", c.reason, "test", platform.SubjectConfirmed, string(payload)}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("dead letters (-want +got):\n%s", diff)
			}
			b.wantSettled(t, "test")
			if len(deliveries) != 0 {
				t.Error("it was delivered once more")
			}
			scrape := httptest.NewRecorder()
			b.telemetry.MetricsHandler().ServeHTTP(scrape, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
			const counted = `shop_dead_letters_total{consumer="test",subject="orders.confirmed"} 1`
			if !strings.Contains(scrape.Body.String(), counted) {
				t.Errorf("metrics have no %s:\n%s", counted, scrape.Body)
			}
		})
	}
}

func TestRepeatedEventIsStoredOnce(t *testing.T) {
	b := newTestBus(t)
	for range 3 {
		b.publish(t, "evt_1", event(t, "evt_1"), nil)
	}
	b.publish(t, "evt_2", event(t, "evt_2"), nil)
	stream, err := b.js.Stream(t.Context(), platform.StreamOrders)
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.Msgs; n != 2 {
		t.Errorf("the stream has %d messages, want 2", n)
	}
}

func TestBrokenSubscriptionIsMadeAgain(t *testing.T) {
	b := newTestBus(t)
	handled := make(chan string, 10)
	c := impatient()
	b.consume(t, c, func(_ context.Context, e platform.Event) error {
		handled <- e.ID
		return nil
	})
	b.publish(t, "evt_1", event(t, "evt_1"), nil)
	receive(t, handled)
	b.wantSettled(t, c.Durable)
	// A server that has lost its disk, for instance.
	if err := b.js.DeleteStream(t.Context(), platform.StreamOrders); err != nil {
		t.Fatal(err)
	}
	if err := b.EnsureStreams(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.publish(t, "evt_2", event(t, "evt_2"), nil)
	if got := receive(t, handled); got != "evt_2" {
		t.Errorf("handled %s, want evt_2", got)
	}
}

func TestConsumerGoesOnWhereItStopped(t *testing.T) {
	b := newTestBus(t)
	handled := make(chan string, 10)
	handle := func(_ context.Context, e platform.Event) error {
		handled <- e.ID
		return nil
	}
	stop := b.consume(t, impatient(), handle)
	b.publish(t, "evt_1", event(t, "evt_1"), nil)
	receive(t, handled)
	b.wantSettled(t, "test")
	stop()
	b.publish(t, "evt_2", event(t, "evt_2"), nil)
	b.consume(t, impatient(), handle)
	if got := receive(t, handled); got != "evt_2" {
		t.Errorf("handled %s, want evt_2", got)
	}
}

func TestStoppingLetsHandlersEnd(t *testing.T) {
	b := newTestBus(t)
	c := impatient()
	c.Grace = patience
	started, finish := make(chan struct{}), make(chan struct{})
	stop := b.consume(t, c, func(ctx context.Context, _ platform.Event) error {
		close(started)
		<-finish
		return ctx.Err()
	})
	b.publish(t, "evt_1", event(t, "evt_1"), nil)
	receive(t, started)
	stopped := make(chan struct{})
	go func() {
		stop()
		close(stopped)
	}()
	close(finish)
	receive(t, stopped)
	b.wantSettled(t, c.Durable)
}

func TestStoppingCutsHandlersOffAfterTheGrace(t *testing.T) {
	b := newTestBus(t)
	c := impatient()
	started := make(chan struct{}, 10)
	again := make(chan string, 10)
	stop := b.consume(t, c, func(ctx context.Context, _ platform.Event) error {
		started <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	b.publish(t, "evt_1", event(t, "evt_1"), nil)
	receive(t, started)
	stop()
	b.consume(t, c, func(_ context.Context, e platform.Event) error {
		again <- e.ID
		return nil
	})
	if got := receive(t, again); got != "evt_1" {
		t.Errorf("handled %s, want evt_1 again", got)
	}
}
