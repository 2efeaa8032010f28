package registry_test

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
	"github.com/waybill-dev/waybill/demo-services/registry"
	"github.com/waybill-dev/waybill/middleware/client/grpcclient"
	"github.com/waybill-dev/waybill/middleware/grpcmw"
)

const patience = 30 * time.Second

func openRegistry(t *testing.T) *registry.Registry {
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
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return registry.New(js, registry.Config{Heartbeat: 50 * time.Millisecond, Expiry: 2 * time.Second}, slog.New(slog.DiscardHandler))
}

// inBackground runs work until stop.
func inBackground(t *testing.T, work func(context.Context)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { work(ctx) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return stop
}

// startInstance serves any method, answers with the code, and is registered by
// the name of its host.
func startInstance(t *testing.T, r *registry.Registry, id string, code codes.Code) (port string, stop func()) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		if code != codes.OK {
			return status.Error(code, "so it is")
		}
		return stream.SendMsg(&emptypb.Empty{})
	}))
	served := inBackground(t, func(context.Context) { _ = server.Serve(listener) })
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	leave := inBackground(t, func(ctx context.Context) {
		instance := registry.Instance{Service: "stock", ID: id, Address: "localhost:" + port}
		if err := r.Keep(ctx, instance, func(context.Context) error { return nil }); err != nil {
			t.Error(err)
		}
	})
	stop = func() { leave(); server.Stop(); served() }
	t.Cleanup(stop)
	return port, stop
}

// TestCallsAreToldApartByInstance calls two instances, one of which refuses all
// calls, and looks at spans and metrics.
func TestCallsAreToldApartByInstance(t *testing.T) {
	r := openRegistry(t)
	directory := r.Directory()
	inBackground(t, directory.Follow)
	ids := map[string]string{}
	port, _ := startInstance(t, r, "stock-1", codes.OK)
	ids[port] = "stock-1"
	port, stopSecond := startInstance(t, r, "stock-2", codes.FailedPrecondition)
	ids[port] = "stock-2"

	spans := tracetest.NewSpanRecorder()
	observe, err := grpcmw.DialOptions(grpcmw.WithTelemetry(platformtest.Telemetry(t, spans)))
	if err != nil {
		t.Fatal(err)
	}
	balance, err := grpcclient.Config{Balancer: grpcclient.RoundRobin}.DialOptions()
	if err != nil {
		t.Fatal(err)
	}
	options := append(append(balance, directory.DialOptions()...), observe...)
	conn, err := grpc.NewClient("registry:///stock", append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })

	answered := map[string]int{} // by instance
	for deadline := time.Now().Add(patience); answered["stock-1"] < 3 || answered["stock-2"] < 3; {
		if time.Now().After(deadline) {
			t.Fatalf("calls were answered by %v", answered)
		}
		var at peer.Peer
		_ = conn.Invoke(t.Context(), "/shop.test.v1.Stock/Count", &emptypb.Empty{}, &emptypb.Empty{}, grpc.Peer(&at), grpc.WaitForReady(true))
		if at.Addr != nil {
			_, port, _ := net.SplitHostPort(at.Addr.String())
			answered[ids[port]]++
		}
	}
	told := map[string]int{}
	for _, span := range spans.Ended() {
		for _, attribute := range span.Attributes() {
			switch attribute.Key {
			case "shop.instance.id":
				told[attribute.Value.AsString()]++
			case "network.peer.address":
				if got := attribute.Value.AsString(); got != "127.0.0.1" {
					t.Errorf("the peer is %q", got)
				}
			}
		}
	}
	metrics := prometheus.NewPedanticRegistry()
	metrics.MustRegister(directory.Collector())
	if told["stock-1"] != answered["stock-1"] || told["stock-2"] != answered["stock-2"] {
		t.Errorf("spans tell of %v, calls were answered by %v", told, answered)
	}
	counted := func(id, code string) float64 {
		t.Helper()
		return metric(t, metrics, "shop_instance_calls_total", id, code)
	}
	if one, two := counted("stock-1", "OK"), counted("stock-2", "FailedPrecondition"); int(one) != answered["stock-1"] || int(two) != answered["stock-2"] {
		t.Errorf("%v and %v calls are counted, want %v", one, two, answered)
	}
	if age := metric(t, metrics, "shop_instance_heartbeat_age_seconds", "stock-1", ""); age < 0 || age > 2 {
		t.Errorf("the last heartbeat was %v s ago", age)
	}
	if n := metric(t, metrics, "shop_instance_connections", "stock-2", ""); n != 1 {
		t.Errorf("%v connections", n)
	}
	stopSecond()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		n, err := testutil.GatherAndCount(metrics, "shop_instance_calls_total")
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 && metric(t, metrics, "shop_instance_connections", "stock-2", "") < 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d series are left, want those of stock-1", n)
		}
	}
}

// metric is the value of an instance's series, with the code if it has one; -1
// if there is none.
func metric(t *testing.T, from prometheus.Gatherer, name, instance, code string) float64 {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, label := range m.GetLabel() {
				if value := label.GetValue(); label.GetName() != "registered_service" {
					labels = append(labels, value)
				}
			}
			if family.GetName() == name && strings.TrimPrefix(strings.Join(labels, " "), code+" ") == instance {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return -1
}
