package natsmw_test

import (
	"context"
	"fmt"
	"log"

	"github.com/nats-io/nats.go"

	"github.com/waybill-dev/waybill/middleware"
	"github.com/waybill-dev/waybill/middleware/natsmw"
)

// With JetStream, send is
//
//	func(ctx context.Context, msg *nats.Msg) error {
//		_, err := js.PublishMsg(ctx, msg)
//		return err
//	}
//
// and what Consume or Messages deliver goes to Process, whose handler settles
// the message. Here the message is handed over directly.
func Example() {
	ctx := context.Background()
	nothing := func(string) (string, bool) { return "", false }
	telemetry, err := middleware.Setup(ctx, middleware.WithServiceName("order"), middleware.WithGetenv(nothing),
		middleware.WithLogWriter(nil), middleware.WithoutGlobals())
	if err != nil {
		log.Print(err)
		return
	}
	orders, err := natsmw.New(natsmw.WithTelemetry(telemetry))
	if err != nil {
		log.Print(err)
		return
	}
	mailer, err := natsmw.New(natsmw.WithTelemetry(telemetry), natsmw.WithConsumerGroup("mailer"), natsmw.WithProducerAsParent())
	if err != nil {
		log.Print(err)
		return
	}

	bus := make(chan *nats.Msg, 1)
	paid := &nats.Msg{Subject: "orders.paid", Data: []byte(`{"order":42}`)}
	err = orders.Publish(ctx, paid, func(_ context.Context, msg *nats.Msg) error {
		bus <- msg
		return nil
	})
	fmt.Println("published:", err)

	err = mailer.ProcessCore(ctx, <-bus, func(_ context.Context, msg *nats.Msg) error {
		fmt.Println("handled:", string(msg.Data), "with", len(msg.Header["traceparent"]), "traceparent")
		return nil
	})
	fmt.Println("processed:", err)
	// Output:
	// published: <nil>
	// handled: {"order":42} with 1 traceparent
	// processed: <nil>
}
