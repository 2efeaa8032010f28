package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/demo-services/gateway"
	"github.com/waybill-dev/waybill/demo-services/inventory"
	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/payment"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
	"github.com/waybill-dev/waybill/demo-services/psp"
	"github.com/waybill-dev/waybill/demo-services/registry"
	"github.com/waybill-dev/waybill/demo-services/user"
)

// patience is for a machine that has much else to do.
const patience = 60 * time.Second

// floor is a shop whose services find each other in a registry. Its clients
// know the gateway and nothing else.
type floor struct {
	bus, data, gateway string
	hosts              map[string]*platform.Host // by instance
}

// openShop starts two instances of inventory and user, one of the others.
func openShop(t *testing.T) *floor {
	t.Helper()
	broker, err := platform.StartBroker(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	f := &floor{bus: broker.URL(), data: t.TempDir(), hosts: map[string]*platform.Host{}}
	provider := f.add(t, "psp", 1, func(ctx context.Context, base platform.Config) (*platform.Host, error) {
		base.Discovery = platform.Discovery{} // It is outside the shop.
		return psp.Start(ctx, psp.Config{Config: base}, platformtest.Telemetry(t))
	})
	f.add(t, "payment", 1, func(ctx context.Context, base platform.Config) (*platform.Host, error) {
		cfg := payment.DefaultConfig()
		cfg.Config, cfg.NATSURL, cfg.PSPURL, cfg.PSPTimeout = base, f.bus, "http://"+provider, patience
		return payment.Start(ctx, cfg, platformtest.Telemetry(t))
	})
	for n := range 2 {
		f.add(t, "inventory", n+1, func(ctx context.Context, base platform.Config) (*platform.Host, error) {
			cfg := inventory.DefaultConfig()
			cfg.Config, cfg.NATSURL, cfg.RestockInterval = base, f.bus, 100*time.Millisecond
			return inventory.Start(ctx, cfg, platformtest.Telemetry(t))
		})
		f.add(t, "user", n+1, func(ctx context.Context, base platform.Config) (*platform.Host, error) {
			cfg := user.DefaultConfig()
			cfg.Config, cfg.NATSURL = base, f.bus
			return user.Start(ctx, cfg, platformtest.Telemetry(t))
		})
	}
	f.add(t, "order", 1, func(ctx context.Context, base platform.Config) (*platform.Host, error) {
		cfg := order.DefaultConfig()
		cfg.Config, cfg.NATSURL, cfg.InventoryAddr, cfg.PaymentAddr = base, f.bus, at("inventory"), at("payment")
		return order.Start(ctx, cfg, platformtest.Telemetry(t))
	})
	f.gateway = "http://" + f.add(t, "gateway", 1, func(ctx context.Context, base platform.Config) (*platform.Host, error) {
		cfg := gateway.DefaultConfig()
		cfg.Config, cfg.UserAddr, cfg.OrderAddr, cfg.InventoryAddr = base, at("user"), at("order"), at("inventory")
		cfg.Limits = gateway.Limits{Timeout: patience}
		return gateway.Start(ctx, cfg, platformtest.Telemetry(t))
	})
	return f
}

// at is where the registry has a service.
func at(service string) string { return registry.Scheme + ":///" + service }

// add starts an instance, and returns where it listens.
func (f *floor) add(t *testing.T, service string, n int, start func(context.Context, platform.Config) (*platform.Host, error)) string {
	t.Helper()
	id := fmt.Sprintf("%s-%d", service, n)
	host, err := start(t.Context(), platform.Config{
		Listen: "127.0.0.1:0", Admin: platform.Off, DataDir: f.data,
		Discovery: platform.Discovery{URL: f.bus, Service: service, Instance: id},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.hosts[id] = host
	t.Cleanup(func() {
		if f.hosts[id] != nil {
			_ = host.Shutdown(context.WithoutCancel(t.Context()))
		}
	})
	return host.Addr().String()
}

// kill ends an instance as if its process had been killed.
func (f *floor) kill(t *testing.T, id string) {
	t.Helper()
	host := f.hosts[id]
	f.hosts[id] = nil
	if err := host.Kill(); err != nil {
		t.Logf("kill %s: %v", id, err) // It had no time to end well.
	}
}

// ask makes one request, and says what is wrong with the answer.
func (f *floor) ask(ctx context.Context, method, path, body string) error {
	request, err := http.NewRequestWithContext(ctx, method, f.gateway+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	content, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s %s: %d %s", method, path, answer.StatusCode, content)
	}
	return err
}

// load has several clients ask at once until it is stopped, which it answers
// with what has failed.
func (f *floor) load(t *testing.T) (asked *atomic.Int64, stop func() []error) {
	t.Helper()
	const order = `{"user_id":"usr_ada","currency":"EUR","card_token":"tok_visa","items":[{"item_id":"itm_coffee","quantity":1}]}`
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	stopped := make(chan struct{})
	asked = &atomic.Int64{}
	var mu sync.Mutex
	var failed []error
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				select {
				case <-stopped:
					return
				default:
				}
				method, path, body := http.MethodGet, []string{"/api/v2/items", "/api/v1/items/itm_tea", "/api/v1/users/usr_ada", "/api/v1/orders"}[n%4], ""
				if n%4 == 3 {
					method, body = http.MethodPost, order
				}
				if err := f.ask(ctx, method, path, body); err != nil {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
				}
				asked.Add(1)
			}
		})
	}
	return asked, func() []error { close(stopped); clients.Wait(); return failed }
}

// measured is a metric of the gateway's, by instance: the sum of its series.
func (f *floor) measured(t *testing.T, name string) map[string]float64 {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.gateway+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]float64{}
	for _, line := range regexp.MustCompile(`(?m)^`+name+`\{.*instance="([^"]+)".*\} (\S+)$`).FindAllStringSubmatch(string(content), -1) {
		value, err := strconv.ParseFloat(line[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		sums[line[1]] += value
	}
	return sums
}

// until waits for something to be so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v it is not so that %s", patience, what)
		}
	}
}

// TestClientsDoNotNoticeThatInstancesDie kills one of two instances of each
// service that has two while clients use the gateway: no request fails, the
// others take over, and the gateway's metrics show it.
func TestClientsDoNotNoticeThatInstancesDie(t *testing.T) {
	f := openShop(t)
	until(t, "the shop is open", func() bool {
		return f.ask(t.Context(), http.MethodGet, "/api/v1/items", "") == nil && f.ask(t.Context(), http.MethodGet, "/api/v1/orders", "") == nil &&
			f.ask(t.Context(), http.MethodGet, "/api/v1/users", "") == nil
	})
	const calls, connections = "shop_instance_calls_total", "shop_instance_connections"
	asked, stop := f.load(t)
	until(t, "all instances are called", func() bool {
		n := f.measured(t, calls)
		return n["inventory-1"] > 9 && n["inventory-2"] > 9 && n["user-1"] > 9 && n["user-2"] > 9
	})
	f.kill(t, "inventory-2")
	f.kill(t, "user-2")
	before, then := f.measured(t, calls), asked.Load()
	until(t, "the load goes on", func() bool { return asked.Load() > then+200 })
	for _, failure := range stop() {
		t.Error(failure)
	}
	after, open := f.measured(t, calls), f.measured(t, connections)
	for _, service := range []string{"inventory", "user"} {
		dead, alive := service+"-2", service+"-1"
		if _, known := open[dead]; !known || open[dead] != 0 || open[alive] == 0 {
			t.Errorf("connections are %v: want none to %s, which the registry still knows", open, dead)
		}
		if after[alive] < before[alive]+50 {
			t.Errorf("%s was called %v times before and %v after", alive, before[alive], after[alive])
		}
	}
	if ages := f.measured(t, "shop_instance_heartbeat_age_seconds"); ages["inventory-2"] == 0 {
		t.Errorf("heartbeats are %v s old", ages)
	}
}
