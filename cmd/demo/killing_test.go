package main

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	paymentv1 "github.com/waybill-dev/waybill/demo-services/api/payment/v1"
	"github.com/waybill-dev/waybill/demo-services/audit"
	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/payment"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/pgtest"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	m.Run()
	pgtest.Stop()
}

// killing is a shop whose order service is a process of its own, to be killed,
// and whose other services stay.
type killing struct {
	*trap
	// data is where the databases are, and bus where the events are.
	data, bus string
	env       []string
	process   *process
	orders    orderv1.OrderServiceClient
	calls     sync.WaitGroup
}

// newKilling starts the other services, on PostgreSQL if there is the URL of a
// database, and else on SQLite.
func newKilling(t *testing.T, database string) *killing {
	t.Helper()
	broker, err := platform.StartBroker(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	base := platform.Config{Listen: "127.0.0.1:0", Admin: platform.Off, DataDir: t.TempDir(), Database: database}
	k := &killing{trap: &trap{old: map[string]bool{}}, data: cmp.Or(database, base.DataDir), bus: broker.URL()}
	tuned, err := command{getenv: environment{}.lookup}.tuned()
	if err != nil {
		t.Fatal(err)
	}
	tuned.breaker = payment.BreakerConfig{} // Never opens: the provider is down for some orders only.
	at := addresses{nats: k.bus, tuning: tuned}
	for _, s := range services() {
		if !slices.Contains([]string{"psp", "payment", "inventory", "notification"}, s.name) {
			continue
		}
		host, err := s.start(t.Context(), base, at, platformtest.Telemetry(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = host.Shutdown(context.WithoutCancel(t.Context())) })
		s.found(&at, host.Addr().String())
	}
	tapped := k.tap(t, at)
	k.env = []string{
		"LISTEN=127.0.0.1:0", "ADMIN_LISTEN=off", "DATA_DIR=" + base.DataDir, "DATABASE_URL=" + database,
		"NATS_URL=" + k.bus, "INVENTORY_ADDR=" + tapped, "PAYMENT_ADDR=" + tapped, "SAGA_LEASE=500ms",
		"OTEL_TRACES_EXPORTER=none", "OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none",
	}
	k.listen(t)
	return k
}

// tap stands before inventory and payment, and returns where.
func (k *killing) tap(t *testing.T, at addresses) string {
	t.Helper()
	host, err := platform.Start(t.Context(), platformtest.Telemetry(t), func(h *platform.Host) error {
		stock, err := h.Dial(at.inventory)
		if err != nil {
			return err
		}
		money, err := h.Dial(at.payment)
		if err != nil {
			return err
		}
		return h.ServeGRPC(t.Context(), "127.0.0.1:0", func(r grpc.ServiceRegistrar) {
			inventoryv1.RegisterInventoryServiceServer(r, tappedInventory{trap: k.trap, next: inventoryv1.NewInventoryServiceClient(stock)})
			paymentv1.RegisterPaymentServiceServer(r, tappedPayment{trap: k.trap, next: paymentv1.NewPaymentServiceClient(money)})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Shutdown(context.WithoutCancel(t.Context())) })
	return host.Addr().String()
}

// listen notes when an order's end reaches the bus.
func (k *killing) listen(t *testing.T) {
	t.Helper()
	conn, err := nats.Connect(k.bus)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	for _, subject := range []string{platform.SubjectConfirmed, platform.SubjectCancelled} {
		if _, err := conn.Subscribe(subject, func(m *nats.Msg) { k.pass("told", orderOfEvent(m.Data)) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
}

func orderOfEvent(payload []byte) string {
	var e struct {
		Data order.EventData `json:"data"`
	}
	_ = json.Unmarshal(payload, &e) // Without an order it is none of ours.
	return e.Data.OrderID
}

// start has the order service run, and returns when it serves.
func (k *killing) start(t *testing.T) {
	t.Helper()
	k.process = startProcess(t, k.env, "order")
	address, _ := k.process.said.serving(t)
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	k.orders = orderv1.NewOrderServiceClient(conn)
}

// kill ends the order service as kill -9 does, and the calls that wait for it.
func (k *killing) kill(t *testing.T) {
	t.Helper()
	k.process.end(t, syscall.SIGKILL)
	k.calls.Wait()
}

func (k *killing) place(ctx context.Context, card string) (id string, err error) {
	answer, err := k.orders.CreateOrder(ctx, &orderv1.CreateOrderRequest{
		UserId: "usr_ada", Email: "ada@example.com", Currency: "EUR", CardToken: card,
		Lines: []*orderv1.Line{{ItemId: "itm_tea", Quantity: 1}, {ItemId: "itm_mug", Quantity: 2}},
	})
	return answer.GetOrder().GetId(), err
}

// settled waits until nothing is under way any more.
func (k *killing) settled(t *testing.T) *audit.Report {
	t.Helper()
	var report *audit.Report
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		books, err := audit.Read(t.Context(), k.data)
		if err != nil {
			t.Fatal(err)
		}
		if err := books.ReadBus(t.Context(), k.bus); err != nil {
			t.Fatal(err)
		}
		report = books.Check()
		if report.Settled() && len(report.Findings) == 0 || time.Now().After(deadline) {
			return report
		}
	}
}
