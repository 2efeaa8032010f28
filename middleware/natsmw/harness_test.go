package natsmw_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
	"github.com/waybill-dev/waybill/middleware/natsmw"
)

// telemetry records what a service has seen.
type telemetry struct{ *instrumenttest.Telemetry }

func newTelemetry(options ...sdktrace.TracerProviderOption) *telemetry {
	return &telemetry{instrumenttest.New(options...)}
}

func (t *telemetry) messenger(test *testing.T, options ...natsmw.Option) *natsmw.Messenger {
	test.Helper()
	m, err := natsmw.New(append(options, natsmw.WithTelemetry(t))...)
	if err != nil {
		test.Fatal(err)
	}
	return m
}

// named is the one span of that name.
func (t *telemetry) named(test *testing.T, name string) sdktrace.ReadOnlySpan {
	test.Helper()
	var found []sdktrace.ReadOnlySpan
	var names []string
	for _, span := range t.Spans.Ended() {
		names = append(names, span.Name())
		if span.Name() == name {
			found = append(found, span)
		}
	}
	if len(found) != 1 {
		test.Fatalf("%d spans are named %q, want 1; there are %q", len(found), name, names)
	}
	return found[0]
}

// broker is a NATS server with JetStream inside the test, and a connection.
type broker struct {
	conn *nats.Conn
	js   jetstream.JetStream
}

func startBroker(t testing.TB) *broker {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("NATS is not ready")
	}
	conn, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return &broker{conn: conn, js: js}
}

// mailer makes a stream of the orders, and a durable consumer of it.
func (b *broker) mailer(t testing.TB) jetstream.Consumer {
	t.Helper()
	stream, err := b.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}})
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "mailer", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	return consumer
}

// store publishes to JetStream and waits until the stream has it.
func (b *broker) store(ctx context.Context, msg *nats.Msg) error {
	_, err := b.js.PublishMsg(ctx, msg)
	return err
}

func next(t testing.TB, consumer jetstream.Consumer) jetstream.Msg {
	t.Helper()
	msg, err := consumer.Next(jetstream.FetchMaxWait(30 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return msg
}
