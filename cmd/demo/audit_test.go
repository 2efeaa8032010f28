package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/audit"
	"github.com/waybill-dev/waybill/demo-services/inventory"
	"github.com/waybill-dev/waybill/demo-services/notification"
	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/payment"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

// ordersVariable says how many orders TestManyOrdersAddUp places.
const ordersVariable = "WAYBILL_AUDIT_ORDERS"

// unreliable stands before the provider: of a hundred charges one does not get
// there, of one the answer gets lost, and one takes longer than anybody waits.
// Which ones, their keys say.
func unreliable(t *testing.T, provider string) string {
	t.Helper()
	base, err := url.Parse(provider)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(base)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hash := fnv.New32a()
		_, _ = hash.Write([]byte(r.Header.Get("Idempotency-Key")))
		if r.URL.Path == "/charges" {
			switch hash.Sum32() % 100 {
			case 0:
				panic(http.ErrAbortHandler)
			case 1:
				proxy.ServeHTTP(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			case 2:
				// It arrives although nobody waits for it any more.
				r = r.WithContext(context.WithoutCancel(r.Context()))
				time.Sleep(pspPatience + pspPatience/2)
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// quickShop are the services behind the gateway, which wait for nothing but real
// work.
type quickShop struct {
	orders    orderv1.OrderServiceClient
	data, bus string
}

// newQuickShop starts one whose payment reaches the provider through whatever
// the front makes of its URL.
func newQuickShop(t *testing.T, front func(provider string) string, breaker payment.BreakerConfig) quickShop {
	t.Helper()
	broker, err := platform.StartBroker(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	shop := quickShop{data: t.TempDir(), bus: broker.URL()}
	base := platform.Config{Listen: "127.0.0.1:0", Admin: platform.Off, DataDir: shop.data}
	started := func(host *platform.Host, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = host.Shutdown(context.WithoutCancel(t.Context())) })
		return host.Addr().String()
	}
	provider := started(psp.Start(t.Context(), psp.Config{Config: base}, platformtest.Telemetry(t)))

	money := payment.DefaultConfig()
	money.Config, money.NATSURL, money.PSPTimeout, money.Breaker = base, shop.bus, pspPatience, breaker
	money.PSPURL = front("http://" + provider)
	stock := inventory.DefaultConfig()
	stock.Config, stock.NATSURL, stock.RestockInterval = base, shop.bus, 100*time.Millisecond
	started(notification.Start(t.Context(), notification.Config{Config: base, NATSURL: shop.bus}, platformtest.Telemetry(t)))

	cfg := order.DefaultConfig()
	cfg.Config, cfg.NATSURL = base, shop.bus
	cfg.PaymentAddr = started(payment.Start(t.Context(), money, platformtest.Telemetry(t)))
	cfg.InventoryAddr = started(inventory.Start(t.Context(), stock, platformtest.Telemetry(t)))
	conn, err := grpc.NewClient(started(order.Start(t.Context(), cfg, platformtest.Telemetry(t))), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	shop.orders = orderv1.NewOrderServiceClient(conn)
	return shop
}

// pspPatience is how long payment waits for the provider.
const pspPatience = time.Second

// customer places the n-th order: of a hundred, ten cards are declined, five
// want what is sold out, two more than there is, two have an outage, and five
// change their minds afterwards. One in fifty gives no address to write to: what
// tells of their orders is poison for notification.
func customer(ctx context.Context, orders orderv1.OrderServiceClient, n int) error {
	card, item, quantity, email := psp.TokenVisa, inventory.Catalogue()[n%15].ID, int64(1+n%3), "ada@example.com"
	switch kind := n % 100; {
	case kind < 10:
		card = psp.TokenDeclined
	case kind < 15:
		item = inventory.SoldOutItem
	case kind < 17:
		quantity = 100_000
	case kind < 19:
		card = psp.TokenOutage
	}
	if n%50 == 7 || n%50 == 42 {
		email = ""
	}
	answer, err := orders.CreateOrder(ctx, &orderv1.CreateOrderRequest{
		UserId: fmt.Sprintf("usr_%d", n%37), Email: email, Currency: []string{"EUR", "USD", "GBP"}[n%3], CardToken: card,
		Lines: []*orderv1.Line{{ItemId: item, Quantity: quantity}},
	})
	if err != nil || n%100 < 95 {
		return nil //nolint:nilerr // that orders are refused is what happens here
	}
	_, err = orders.CancelOrder(ctx, &orderv1.CancelOrderRequest{OrderId: answer.GetOrder().GetId()})
	return err
}

// TestManyOrdersAddUp has orders of all kinds come, several at once, while the
// read model is thrown away five times. Afterwards the books balance, and
// the dead letters are exactly those that are poison. WAYBILL_AUDIT_ORDERS=10000
// places as many.
func TestManyOrdersAddUp(t *testing.T) {
	count := 300
	if text := os.Getenv(ordersVariable); text != "" {
		var err error
		if count, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", ordersVariable, err)
		}
	}
	shop := newQuickShop(t, func(provider string) string { return unreliable(t, provider) }, payment.BreakerConfig{})
	start := time.Now()
	var next atomic.Int64
	var customers sync.WaitGroup
	for range 16 {
		customers.Go(func() {
			for n := int(next.Add(1)) - 1; n < count; n = int(next.Add(1)) - 1 {
				if err := customer(t.Context(), shop.orders, n); err != nil {
					t.Errorf("order %d: %v", n, err)
				}
			}
		})
	}
	for rebuilt := 1; rebuilt <= 5; rebuilt++ {
		for next.Load() < int64(rebuilt*count/6) {
			time.Sleep(5 * time.Millisecond)
		}
		if _, err := shop.orders.RebuildReadModel(t.Context(), &orderv1.RebuildReadModelRequest{}); err != nil {
			t.Error(err)
		}
	}
	customers.Wait()
	took := time.Since(start)
	tool := auditTool{command: command{stdout: &output{}}, places: []string{shop.data}, nats: shop.bus, wait: 2 * patience}
	report, err := tool.settled(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tool.print(report)
	t.Logf("%d orders in %v\n%s", count, took.Round(time.Millisecond), tool.stdout)
	if len(report.Findings) > 0 || !report.Settled() || report.Orders != count || report.ByStep[order.Confirmed] < count/2 {
		t.Error("the books do not balance")
	}
	wantPoisonedOnly(t, tool)
}

// wantPoisonedOnly compares the dead letters with the orders that nobody could
// be told of.
func wantPoisonedOnly(t *testing.T, tool auditTool) {
	t.Helper()
	books, err := audit.Read(t.Context(), tool.places...)
	if err != nil {
		t.Fatal(err)
	}
	if err := books.ReadBus(t.Context(), tool.nats); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	for id, a := range books.Orders {
		if a.Order.Email == "" {
			want[id] = a.Confirmed + a.Cancelled
		}
	}
	if diff := cmp.Diff(want, books.Letters); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
	if len(want) == 0 || books.Told == nil {
		t.Errorf("%d orders were poisoned, the bus has events of %d", len(want), len(books.Told))
	}
}
