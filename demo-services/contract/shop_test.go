package contract

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/waybill-dev/waybill/demo-services/inventory"
	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/payment"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
	"github.com/waybill-dev/waybill/demo-services/psp"
	"github.com/waybill-dev/waybill/demo-services/user"
)

// noBus is the address of a bus that is down: services do not wait for it.
const noBus = "nats://127.0.0.1:1"

// patience is for a machine that has much else to do.
const patience = 30 * time.Second

// alone is a service that listens anywhere, with a database of its own.
func alone(t *testing.T) platform.Config {
	t.Helper()
	return platform.Config{Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", DataDir: t.TempDir()}
}

// running has the service that was started shut down with the test.
func running(t *testing.T, host *platform.Host, err error) *platform.Host {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := host.Shutdown(ctx); err != nil {
			t.Errorf("shut down: %v", err)
		}
	})
	return host
}

func startUser(t *testing.T, bus string) *platform.Host {
	t.Helper()
	cfg := user.DefaultConfig()
	cfg.Config, cfg.NATSURL = alone(t), bus
	host, err := user.Start(t.Context(), cfg, platformtest.Telemetry(t))
	return running(t, host, err)
}

func startPSP(t *testing.T) *platform.Host {
	t.Helper()
	cfg := psp.Config{Config: alone(t)} // No delays.
	host, err := psp.Start(t.Context(), cfg, platformtest.Telemetry(t))
	return running(t, host, err)
}

func startPayment(t *testing.T, bus, provider string) *platform.Host {
	t.Helper()
	return startPatientPayment(t, bus, provider, payment.DefaultBreakerConfig())
}

// startPatientPayment gives the provider up when the breaker says so, and not
// because it takes long.
func startPatientPayment(t *testing.T, bus, provider string, breaker payment.BreakerConfig) *platform.Host {
	t.Helper()
	cfg := payment.DefaultConfig()
	cfg.Config, cfg.NATSURL, cfg.PSPURL = alone(t), bus, provider
	cfg.PSPTimeout, cfg.Breaker = patience, breaker
	host, err := payment.Start(t.Context(), cfg, platformtest.Telemetry(t))
	return running(t, host, err)
}

// startInventory has reservations expire after ttl.
func startInventory(t *testing.T, bus string, ttl time.Duration) *platform.Host {
	t.Helper()
	return startSupplied(t, bus, ttl, inventory.DefaultConfig().RestockInterval)
}

// startSupplied has a delivery come every so often, besides.
func startSupplied(t *testing.T, bus string, ttl, restock time.Duration) *platform.Host {
	t.Helper()
	cfg := inventory.DefaultConfig()
	cfg.RestockInterval = restock
	cfg.Config, cfg.NATSURL, cfg.ReservationTTL, cfg.ExpiryInterval = alone(t), bus, ttl, 10*time.Millisecond
	host, err := inventory.Start(t.Context(), cfg, platformtest.Telemetry(t))
	return running(t, host, err)
}

func startOrder(t *testing.T, bus, inventoryAddr, paymentAddr string) *platform.Host {
	t.Helper()
	cfg := order.DefaultConfig()
	cfg.Config, cfg.NATSURL, cfg.InventoryAddr, cfg.PaymentAddr = alone(t), bus, inventoryAddr, paymentAddr
	host, err := order.Start(t.Context(), cfg, platformtest.Telemetry(t))
	return running(t, host, err)
}

// startOrders is the order service with the real services that it calls.
func startOrders(t *testing.T, bus string) *platform.Host {
	t.Helper()
	money := startPayment(t, bus, "http://"+startPSP(t).Addr().String())
	stock := startInventory(t, bus, time.Hour)
	return startOrder(t, bus, stock.Addr().String(), money.Addr().String())
}

func dial(t *testing.T, host *platform.Host) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(host.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// eventually waits until there is nothing wrong any more.
func eventually(t *testing.T, wrong func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		last := wrong()
		if last == "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(last)
		case <-ticker.C:
		}
	}
}
