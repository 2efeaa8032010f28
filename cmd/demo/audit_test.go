package main

import (
	"context"
	"hash/fnv"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/inventory"
	"github.com/waybill-dev/waybill/demo-services/notification"
	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/payment"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

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

// TestManyOrdersAddUp has orders of all kinds come, several at once, while the
// read model is thrown away five times. Afterwards the books balance, and
// the dead letters are exactly those that are poison. WAYBILL_AUDIT_ORDERS=10000
// places as many.
func TestManyOrdersAddUp(t *testing.T) {
	t.Parallel()
	count := auditOrders(t, 150)
	shop := newQuickShop(t, func(provider string) string { return unreliable(t, provider) }, payment.BreakerConfig{})
	start := time.Now()
	c := newCrowd(t, shop.orders)
	for n := range count {
		c.coming <- n
		if n%(count/5) == count/10 {
			if _, err := shop.orders.RebuildReadModel(t.Context(), &orderv1.RebuildReadModelRequest{}); err != nil {
				t.Error(err)
			}
		}
	}
	c.leave()
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
	books := tool.books(t)
	if told := c.wantTold(t, books); told != count {
		t.Errorf("%d customers have heard of their orders, want %d", told, count)
	}
	if poisoned := tool.wantPoisonedOnly(t, books); poisoned != 0 {
		t.Errorf("%d messages were poisoned on their way", poisoned)
	}
}
