package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/middleware/client"
	"github.com/waybill-dev/waybill/middleware/client/grpcclient"
)

// patience is how long a test waits for what should take a moment.
const patience = 30 * time.Second

// quick is a registry that a test need not wait for.
var quick = Config{Heartbeat: 50 * time.Millisecond, Expiry: 2 * time.Second}

// newRegistry is a registry in a broker of the test's own.
func newRegistry(t *testing.T, config Config) *Registry {
	t.Helper()
	broker, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	broker.Start()
	t.Cleanup(func() { broker.Shutdown(); broker.WaitForShutdown() })
	if !broker.ReadyForConnections(patience) {
		t.Fatal("the broker is not ready")
	}
	conn, err := nats.Connect(broker.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return New(js, config, slog.New(slog.DiscardHandler))
}

// background runs work until the function that it returns is called.
func background(t *testing.T, work func(context.Context)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { work(ctx) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return stop
}

// keep registers an instance that is well, until it is stopped.
func keep(t *testing.T, r *Registry, instance Instance, well func(context.Context) error) (stop func()) {
	t.Helper()
	return background(t, func(ctx context.Context) {
		if err := r.Keep(ctx, instance, well); err != nil {
			t.Error(err)
		}
	})
}

func always(context.Context) error { return nil }

// follow is a directory that is kept up to date.
func follow(t *testing.T, r *Registry) *Directory {
	t.Helper()
	d := r.Directory()
	background(t, d.Follow)
	return d
}

// want waits until the directory knows those addresses of a service.
func want(t *testing.T, d *Directory, service string, addresses ...string) {
	t.Helper()
	deadline := time.After(patience)
	for {
		instances, changed := d.Instances(service)
		var got []string
		for _, instance := range instances {
			got = append(got, instance.Address)
		}
		diff := cmp.Diff(addresses, got)
		if diff == "" {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("instances of %s (-want +got):\n%s", service, diff)
		}
	}
}

func TestInstancesComeAndGo(t *testing.T) {
	r := newRegistry(t, quick)
	d := follow(t, r)
	stop := keep(t, r, Instance{Service: "inventory", ID: "inventory-1", Address: "127.0.0.1:1"}, always)
	keep(t, r, Instance{Service: "inventory", ID: "inventory-2", Address: "127.0.0.1:2", Weight: 3}, always)
	keep(t, r, Instance{Service: "payment", ID: "payment-1", Address: "127.0.0.1:3"}, always)
	want(t, d, "inventory", "127.0.0.1:1", "127.0.0.1:2")
	want(t, follow(t, r), "inventory", "127.0.0.1:1", "127.0.0.1:2") // who comes later knows as much
	got, err := d.Resolve(t.Context(), "inventory")
	if diff := cmp.Diff([]client.Instance{{Address: "127.0.0.1:1"}, {Address: "127.0.0.1:2", Weight: 3}}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	want(t, d, "payment", "127.0.0.1:3")
	if err := testutil.CollectAndCompare(d.Collector(), strings.NewReader(`
# HELP shop_registry_instances Instances that the registry knows, by service.
# TYPE shop_registry_instances gauge
shop_registry_instances{registered_service="inventory"} 2
shop_registry_instances{registered_service="payment"} 1
`), "shop_registry_instances"); err != nil {
		t.Error(err)
	}
	stop()
	want(t, d, "inventory", "127.0.0.1:2")
}

// TestWhoIsNotWellIsOut: an instance that does not say that it is well expires,
// and comes back when it is well again.
func TestWhoIsNotWellIsOut(t *testing.T) {
	r := newRegistry(t, quick)
	d := follow(t, r)
	var ill atomic.Bool
	keep(t, r, Instance{Service: "order", ID: "order-1", Address: "127.0.0.1:1"}, func(context.Context) error {
		if ill.Load() {
			return errors.New("the database is gone")
		}
		return nil
	})
	keep(t, r, Instance{Service: "order", ID: "order-2", Address: "127.0.0.1:2"}, always)
	want(t, d, "order", "127.0.0.1:1", "127.0.0.1:2")
	ill.Store(true)
	want(t, d, "order", "127.0.0.1:2")
	ill.Store(false)
	want(t, d, "order", "127.0.0.1:1", "127.0.0.1:2")
}

// TestNobodyExpiresWhileTheRegistryIsAway: what can't be heard of is kept, and
// gets its time again afterwards.
func TestNobodyExpiresWhileTheRegistryIsAway(t *testing.T) {
	d := New(nil, quick, slog.New(slog.DiscardHandler)).Directory()
	now := time.Now()
	d.now = func() time.Time { return now }
	d.entries["order.order-1"] = entry{Instance{Service: "order", ID: "order-1"}, now}
	later := func(by time.Duration, connected bool, want int) {
		t.Helper()
		now = now.Add(by)
		d.sweep(connected)
		if got := d.Count()["order"]; got != want {
			t.Errorf("%d instances are known, want %d", got, want)
		}
	}
	later(time.Hour, false, 1)
	later(quick.Expiry, true, 1)
	later(time.Millisecond, true, 0)
}

// TestNamesThatAreNoKeys refuses what could be taken for another key.
func TestNamesThatAreNoKeys(t *testing.T) {
	r := New(nil, quick, slog.New(slog.DiscardHandler))
	for _, instance := range []Instance{{Service: "", ID: "a"}, {Service: "a", ID: ""}, {Service: "a.b", ID: "c"}, {Service: "a", ID: "*"}, {Service: ">", ID: "a"}} {
		if err := r.Keep(t.Context(), instance, always); !errors.Is(err, ErrName) {
			t.Errorf("%+v: %v", instance, err)
		}
	}
}

// TestForeignEntriesAreLeftOut: who else writes into the bucket misleads nobody.
func TestForeignEntriesAreLeftOut(t *testing.T) {
	r := newRegistry(t, quick)
	bucket, err := r.bucket(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{
		"order.order-1": "no JSON", "order.order-2": `{"service":"payment","id":"payment-1","address":"127.0.0.1:6"}`,
	} {
		if _, err := bucket.PutString(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	d := follow(t, r)
	keep(t, r, Instance{Service: "order", ID: "order-3", Address: "127.0.0.1:3"}, always)
	want(t, d, "order", "127.0.0.1:3")
	want(t, d, "payment")
}

// startServer is a gRPC server whose health service answers.
func startServer(t *testing.T) (address string, stop func()) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	healthv1.RegisterHealthServer(server, health.NewServer())
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) })
	stop = sync.OnceFunc(func() { server.Stop(); running.Wait() })
	t.Cleanup(stop)
	return listener.Addr().String(), stop
}

// TestCallsFindTheInstances calls a service by its name: all instances get
// calls, and when one is stopped and its entry with it, none fails for longer.
func TestCallsFindTheInstances(t *testing.T) {
	r := newRegistry(t, quick)
	d := follow(t, r)
	options, err := grpcclient.DefaultConfig("grpc.health.v1.Health").DialOptions()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("registry:///inventory", append(options,
		grpc.WithResolvers(d.Resolver()), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	call := func() (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var at peer.Peer
		_, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{}, grpc.Peer(&at))
		if err != nil {
			return "", err
		}
		return at.Addr.String(), nil
	}
	if _, err := call(); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "inventory has no instance") {
		t.Errorf("without instances: %v", err)
	}

	stops := map[string][2]func(){}
	var addresses []string
	for i := range 2 {
		address, stop := startServer(t)
		leave := keep(t, r, Instance{Service: "inventory", ID: fmt.Sprintf("inventory-%d", i), Address: address}, always)
		stops[address] = [2]func(){leave, stop}
		addresses = append(addresses, address)
	}
	want(t, d, "inventory", addresses...)
	seen := map[string]bool{}
	for deadline := time.Now().Add(patience); len(seen) < 2; {
		address, err := call()
		if time.Now().After(deadline) {
			t.Fatalf("calls went to %v only, %v", seen, err)
		}
		if err == nil {
			seen[address] = true
		}
	}
	for _, stop := range stops[addresses[0]] {
		stop()
	}
	want(t, d, "inventory", addresses[1])
	for range 20 {
		if address, err := call(); err != nil || address != addresses[1] {
			t.Errorf("a call went to %q: %v", address, err)
		}
	}
}

// TestResolveWaitsForAService that is about to start, and says that there is
// none when it does not.
func TestResolveWaitsForAService(t *testing.T) {
	d := New(nil, quick, slog.New(slog.DiscardHandler)).Directory()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := d.Resolve(ended, "order"); len(got) != 0 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	found := make(chan []client.Instance, 1)
	background(t, func(ctx context.Context) {
		got, err := d.Resolve(ctx, "order")
		if err != nil {
			t.Error(err)
		}
		found <- got
	})
	d.mu.Lock()
	d.entries["order.order-1"] = entry{Instance{Service: "order", ID: "order-1", Address: "127.0.0.1:1"}, d.now()}
	d.tell()
	d.mu.Unlock()
	select {
	case got := <-found:
		if len(got) != 1 {
			t.Errorf("found %v", got)
		}
	case <-time.After(patience):
		t.Error("the service is not found")
	}
}
