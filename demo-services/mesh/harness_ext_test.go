package mesh_test

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	paymentv1 "github.com/waybill-dev/waybill/demo-services/api/payment/v1"
	"github.com/waybill-dev/waybill/demo-services/mesh"
	"github.com/waybill-dev/waybill/demo-services/mesh/control"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
	"github.com/waybill-dev/waybill/demo-services/registry"
	"github.com/waybill-dev/waybill/middleware/grpcmw"
)

// patience is how long a test waits for what should take a moment.
const patience = 30 * time.Second

// directory is a registry in memory.
type directory struct {
	mu        sync.Mutex
	instances map[string][]registry.Instance
	changed   chan struct{}
}

func (d *directory) Instances(service string) ([]registry.Instance, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]registry.Instance(nil), d.instances[service]...), d.changed
}

func (d *directory) set(service string, instances ...registry.Instance) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.instances[service] = instances
	close(d.changed)
	d.changed = make(chan struct{})
}

// world is a mesh with a control plane that can end and start again.
type world struct {
	dir       string
	config    control.Config
	directory *directory
	authority *control.Authority
	plane     *control.Plane
}

func newWorld(t *testing.T, change func(*control.Config)) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), config: control.DefaultConfig(), directory: &directory{instances: map[string][]registry.Instance{}, changed: make(chan struct{})}}
	w.config.Routes = []control.Route{
		{Service: "inventory", Idempotent: []string{"shop.inventory.v1.InventoryService"}},
		{Service: "payment", Idempotent: []string{"shop.payment.v1.PaymentService/Charge"}},
	}
	w.config.Tokens = map[string]string{}
	for _, service := range []string{"gateway", "order", "inventory", "payment"} {
		w.config.Tokens[service] = control.NewToken()
	}
	if change != nil {
		change(&w.config)
	}
	w.start(t)
	w.config.Listen = w.plane.Addr().String()
	t.Cleanup(func() { w.plane.Close() })
	return w
}

func (w *world) start(t *testing.T) {
	t.Helper()
	var err error
	if w.authority, err = control.OpenAuthority(w.dir); err != nil {
		t.Fatal(err)
	}
	if w.plane, err = control.Start(t.Context(), w.config, w.authority, w.directory, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
}

func (w *world) memberConfig(t *testing.T, service string) mesh.Config {
	t.Helper()
	policy, err := mesh.ShopPolicy()
	if err != nil {
		t.Fatal(err)
	}
	return mesh.Config{Address: w.plane.Addr().String(), CAFile: w.authority.CAFile(), Token: w.config.Tokens[service], Policy: policy}
}

func (w *world) member(t *testing.T, service, instance string) *mesh.Member {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m, err := mesh.Join(ctx, w.memberConfig(t, service), service, instance, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// served is an instance of a service, and what has come to it.
type served struct {
	inventoryv1.UnimplementedInventoryServiceServer
	paymentv1.UnimplementedPaymentServiceServer
	*mesh.Member
	registry.Instance
	calls atomic.Int64
	stop  func()

	mu      sync.Mutex
	callers map[string]bool // serial numbers of their certificates
}

func (s *served) note(ctx context.Context) {
	s.calls.Add(1)
	if p, ok := peer.FromContext(ctx); ok {
		if info, is := p.AuthInfo.(credentials.TLSInfo); is {
			s.mu.Lock()
			s.callers[info.State.PeerCertificates[0].SerialNumber.String()] = true
			s.mu.Unlock()
		}
	}
}

func (s *served) certificates() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.callers)
}

func (s *served) Reserve(ctx context.Context, _ *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
	s.note(ctx)
	return &inventoryv1.ReserveResponse{}, nil
}

func (s *served) Charge(ctx context.Context, _ *paymentv1.ChargeRequest) (*paymentv1.ChargeResponse, error) {
	s.note(ctx)
	return &paymentv1.ChargeResponse{}, nil
}

// serve runs an instance of the service. Processors see its spans.
func (w *world) serve(t *testing.T, service, id, version string, processors ...sdktrace.SpanProcessor) *served {
	t.Helper()
	s := &served{Member: w.member(t, service, id), callers: map[string]bool{}}
	observe, err := grpcmw.ServerOptions(grpcmw.WithTelemetry(platformtest.Telemetry(t, processors...)))
	if err != nil {
		t.Fatal(err)
	}
	options := slices.Concat(observe, s.ServerOptions(), []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(s.UnaryGuard), grpc.ChainStreamInterceptor(s.StreamGuard),
	})
	server := grpc.NewServer(options...)
	inventoryv1.RegisterInventoryServiceServer(server, s)
	paymentv1.RegisterPaymentServiceServer(server, s)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Instance = registry.Instance{Service: service, ID: id, Address: listener.Addr().String(), Version: version}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // it ends when the test does
	}()
	s.stop = sync.OnceFunc(func() { server.Stop(); <-done })
	t.Cleanup(s.stop)
	return s
}

// dial is a connection of the member to the service.
func dial(t *testing.T, m *mesh.Member, service string) *grpc.ClientConn {
	t.Helper()
	options, err := m.DialOptions(service)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(mesh.Scheme+":///"+service, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func reserve(t *testing.T, conn *grpc.ClientConn) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := inventoryv1.NewInventoryServiceClient(conn).Reserve(ctx, &inventoryv1.ReserveRequest{})
	return err
}

func charge(t *testing.T, conn *grpc.ClientConn) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := paymentv1.NewPaymentServiceClient(conn).Charge(ctx, &paymentv1.ChargeRequest{})
	return err
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v there is no %s", patience, what)
		}
	}
}
