package contract

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	notificationv1 "github.com/waybill-dev/waybill/demo-services/api/notification/v1"
	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	paymentv1 "github.com/waybill-dev/waybill/demo-services/api/payment/v1"
	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/notification"
	"github.com/waybill-dev/waybill/demo-services/payment"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
)

// startBus returns the URL of a bus, and a connection to it.
func startBus(t *testing.T) (url string, conn *nats.Conn) {
	t.Helper()
	broker, err := platform.StartBroker(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	conn, err = nats.Connect(broker.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return broker.URL(), conn
}

// TestProducersPublishByTheSchemas has the real services publish on a real bus,
// and holds what comes against the schemas and against what consumers need.
func TestProducersPublishByTheSchemas(t *testing.T) {
	url, conn := startBus(t)
	messages := make(chan *nats.Msg, 256)
	for _, subjects := range []string{"orders.*", "payments.*", "inventory.*", "users.*"} {
		if _, err := conn.ChanSubscribe(subjects, messages); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	register(t, userv1.NewUserServiceClient(dial(t, startUser(t, url))))
	buy(t, orderv1.NewOrderServiceClient(dial(t, startOrders(t, url))))
	expire(t, url)
	deliver(t, url)
	void(t, url)

	validators := map[string]*jsonschema.Schema{}
	for name, schema := range schemas(t, "schema") {
		validators[name] = compiled(t, name, schema)
	}
	missing := map[string]bool{
		"user.created": true, "order.created": true, "order.confirmed": true, "order.cancelled CARD_DECLINED": true, "order.cancelled OUT_OF_STOCK": true,
		"order.cancelled CANCELLED_BY_CUSTOMER": true, "payment.processed charged": true, "payment.processed declined": true,
		"payment.processed refunded": true, "payment.processed voided": true, "inventory.updated reserved": true, "inventory.updated released": true,
		"inventory.updated expired": true, "inventory.updated delivered": true,
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for len(missing) > 0 {
		select {
		case <-ctx.Done():
			t.Fatalf("nobody publishes %v", slices.Collect(maps.Keys(missing)))
		case m := <-messages:
			delete(missing, checked(t, validators, m))
		}
	}
}

func register(t *testing.T, users userv1.UserServiceClient) {
	t.Helper()
	if _, err := users.RegisterUser(t.Context(), &userv1.RegisterUserRequest{Name: "Zoe", Email: "zoe@example.com", Password: "long enough"}); err != nil {
		t.Fatal(err)
	}
}

// buy has everything happen to orders that is told of on the bus.
func buy(t *testing.T, orders orderv1.OrderServiceClient) {
	t.Helper()
	answer, err := orders.CreateOrder(t.Context(), ordered("itm_coffee", "tok_visa", 0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := orders.CancelOrder(t.Context(), &orderv1.CancelOrderRequest{OrderId: answer.GetOrder().GetId()}); err != nil {
		t.Fatal(err)
	}
	for item, card := range map[string]string{"itm_coffee": "tok_declined", "itm_gramophone": "tok_visa"} {
		if _, err := orders.CreateOrder(t.Context(), ordered(item, card, 0)); err == nil {
			t.Fatalf("%s is sold for %s", item, card)
		}
	}
}

// expire has nobody confirm a reservation until it has expired.
func expire(t *testing.T, bus string) {
	t.Helper()
	reserve(t, startInventory(t, bus, -time.Second))
}

// deliver has something taken from a shelf, which is then filled again.
func deliver(t *testing.T, bus string) {
	t.Helper()
	reserve(t, startSupplied(t, bus, time.Hour, 10*time.Millisecond))
}

func reserve(t *testing.T, stock *platform.Host) {
	t.Helper()
	if _, err := inventoryv1.NewInventoryServiceClient(dial(t, stock)).Reserve(t.Context(), &inventoryv1.ReserveRequest{
		OrderId: anOrder, Lines: []*inventoryv1.Line{{ItemId: "itm_tea", Quantity: 1}},
	}); err != nil {
		t.Fatal(err)
	}
}

// void has an order come when payment has given the provider up: what the
// provider was never asked for is no charge.
func void(t *testing.T, bus string) {
	t.Helper()
	host := startPatientPayment(t, bus, "http://127.0.0.1:1", payment.BreakerConfig{Failures: 1, OpenFor: time.Hour, Successes: 1})
	payments := paymentv1.NewPaymentServiceClient(dial(t, host))
	for _, order := range []string{"ord_before", "ord_after"} {
		_, err := payments.Charge(t.Context(), &paymentv1.ChargeRequest{
			OrderId: order, Total: &paymentv1.Money{Amount: 790, Currency: "EUR"}, CardToken: "tok_visa",
		})
		if status.Code(err) != codes.Unavailable {
			t.Fatalf("charge of %s without a provider: %v", order, err)
		}
	}
}

// checked holds an event against its schema and against what its consumers
// need, and says what it tells of.
func checked(t *testing.T, validators map[string]*jsonschema.Schema, m *nats.Msg) string {
	t.Helper()
	var e platform.Event
	var data map[string]any
	if err := json.Unmarshal(m.Data, &e); err != nil {
		t.Fatalf("%s: %v", m.Data, err)
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		t.Fatalf("%s: %v", m.Data, err)
	}
	schema := validators[fmt.Sprintf("%s.v%d", e.Type, e.Version)]
	if schema == nil {
		t.Fatalf("there is no schema for %s", m.Data)
	}
	if err := valid(schema, m.Data); err != nil {
		t.Errorf("%s\n%v", m.Data, err)
	}
	if subject, err := platform.SubjectOf(e.Type); err != nil || subject != m.Subject {
		t.Errorf("%s is published on %s, %v", e.Type, m.Subject, err)
	}
	for _, need := range EventNeeds() {
		for _, field := range need.Fields {
			if _, there := data[field]; !there && need.Type == e.Type && need.Version == e.Version {
				t.Errorf("%s needs %s of %s", need.Consumer, field, m.Data)
			}
		}
	}
	for _, field := range []string{"reason", "outcome", "cause"} {
		if what, there := data[field].(string); there {
			return e.Type + " " + what
		}
	}
	return e.Type
}

// TestConsumersHandleEveryExample has the real consumers take, from a real bus,
// each example of the schemas whole, and with nothing in it but what they say
// that they need.
func TestConsumersHandleEveryExample(t *testing.T) {
	url, conn := startBus(t)
	cfg := notification.Config{Config: alone(t), NATSURL: url} // No delays.
	host, err := notification.Start(t.Context(), cfg, platformtest.Telemetry(t))
	messages := notificationv1.NewNotificationServiceClient(dial(t, running(t, host, err)))
	orders := orderv1.NewOrderServiceClient(dial(t, startOrder(t, url, "127.0.0.1:1", "127.0.0.1:1")))
	handled := map[string]func(e platform.Event) string{
		"notification": func(e platform.Event) string {
			var data struct {
				OrderID string `json:"order_id"`
				Email   string `json:"email"`
			}
			if err := json.Unmarshal(e.Data, &data); err != nil {
				return err.Error()
			}
			answer, err := messages.ListMessages(t.Context(), &notificationv1.ListMessagesRequest{OrderId: data.OrderID})
			if slices.ContainsFunc(answer.GetMessages(), func(m *notificationv1.Message) bool {
				return m.GetEventId() == e.ID && m.GetRecipient() == data.Email
			}) {
				return ""
			}
			return fmt.Sprintf("nobody is told of %s: %v, %v", e.Data, answer, err)
		},
		"order": func(e platform.Event) string {
			var data struct {
				UserID string `json:"user_id"`
			}
			if err := json.Unmarshal(e.Data, &data); err != nil {
				return err.Error()
			}
			answer, err := orders.GetHistory(t.Context(), &orderv1.GetHistoryRequest{UserId: data.UserID})
			if err == nil && answer.GetOpenedAt().AsTime().Equal(e.Time) {
				return ""
			}
			return fmt.Sprintf("no history is opened by %s: %v, %v", e.Data, answer, err)
		},
	}
	all := schemas(t, "schema")
	for _, need := range EventNeeds() {
		for _, example := range examples(t, all[fmt.Sprintf("%s.v%d", need.Type, need.Version)]) {
			for _, e := range []platform.Event{whole(t, example), reduced(t, example, need)} {
				publish(t, conn, e)
				eventually(t, func() string { return handled[need.Consumer](e) })
			}
		}
	}
}

func whole(t *testing.T, example []byte) platform.Event {
	t.Helper()
	var e platform.Event
	if err := json.Unmarshal(example, &e); err != nil {
		t.Fatal(err)
	}
	e.ID += "_" + e.Type // Examples of two types may have the same.
	return e
}

// reduced is another event, with what the consumer needs and nothing else.
func reduced(t *testing.T, example []byte, need EventNeed) platform.Event {
	t.Helper()
	e := whole(t, example)
	e.ID += "_reduced"
	var data map[string]any
	if err := json.Unmarshal(e.Data, &data); err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(data, func(name string, _ any) bool { return !slices.Contains(need.Fields, name) })
	var err error
	if e.Data, err = json.Marshal(data); err != nil {
		t.Fatal(err)
	}
	return e
}

// publish waits until the bus has a stream for the event, which its consumers
// make.
func publish(t *testing.T, conn *nats.Conn, e platform.Event) {
	t.Helper()
	subject, err := platform.SubjectOf(e.Type)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if _, err := js.Publish(t.Context(), subject, raw); err != nil {
			return fmt.Sprintf("publish on %s: %v", subject, err)
		}
		return ""
	})
}

// TestConsumersNeedWhatThereIs holds what consumers need against the schemas.
func TestConsumersNeedWhatThereIs(t *testing.T) {
	all := schemas(t, "schema")
	for _, need := range EventNeeds() {
		properties, _ := all[fmt.Sprintf("%s.v%d", need.Type, need.Version)]["properties"].(map[string]any)
		data, _ := properties["data"].(map[string]any)
		fields, _ := data["properties"].(map[string]any)
		for _, field := range need.Fields {
			if _, there := fields[field]; !there {
				t.Errorf("%s needs %s of %s, which is not in its schema", need.Consumer, field, need.Type)
			}
		}
	}
}
