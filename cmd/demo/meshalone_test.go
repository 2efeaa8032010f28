package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	"github.com/waybill-dev/waybill/demo-services/mesh"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// part is one of the shop, as a process of its own.
type part struct {
	*program
	cmd            *exec.Cmd
	address, admin string
}

// apart is a shop in a mesh, each part of which is a process.
type apart struct {
	sink    *traceSink
	dir     string // the control plane's
	bus     string
	psp     string // its URL
	address string // the control plane's, which it has each time
	gateway string
}

// env is what all of them are told; more is for one of them, and wins.
func (a *apart) env(t *testing.T, more map[string]string) []string {
	t.Helper()
	env := append(os.Environ(), asProgram+"=1", "LISTEN=127.0.0.1:0", "ADMIN_LISTEN=127.0.0.1:0", "DATA_DIR="+t.TempDir(),
		"NATS_URL="+a.bus, "REGISTRY_URL="+a.bus, "PSP_URL="+a.psp, "OTEL_EXPORTER_OTLP_ENDPOINT="+a.sink.URL, "OTEL_BSP_SCHEDULE_DELAY=100", "OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none")
	for name, value := range more {
		env = append(env, name+"="+value)
	}
	return env
}

// run starts a process, which need not serve yet.
func (a *apart) run(t *testing.T, more map[string]string, args ...string) *part {
	t.Helper()
	p := &part{program: &program{out: &output{}, errs: &output{}, ended: make(chan struct{})}, cmd: exec.Command(os.Args[0], args...)} //nolint:noctx // it is stopped by a signal
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = a.env(t, more), p.out, p.errs
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // how it ended, its state says
		p.status = p.cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("demo %v\nstdout:\n%s\nstderr:\n%s", args, p.out, p.errs)
		}
	})
	return p
}

// member starts a service, which is invited.
func (a *apart) member(t *testing.T, service, instance, version string) *part {
	t.Helper()
	return a.run(t, map[string]string{"MESH_DIR": a.invitation(service), "INSTANCE_ID": instance, "INSTANCE_VERSION": version}, service)
}

// controlPlane starts the control plane. The canary gets so many of 100 payments.
func (a *apart) controlPlane(t *testing.T, canary int) *part {
	t.Helper()
	return a.run(t, map[string]string{
		"LISTEN": a.address, "DATA_DIR": a.dir, "CANARY": strconv.Itoa(canary), "MESH_LIFETIME": "40s",
	}, "mesh").serve(t)
}

func (a *apart) invitation(service string) string { return filepath.Join(a.dir, "members", service) }

// serve waits until the process says where it is.
func (p *part) serve(t *testing.T) *part {
	t.Helper()
	p.address, p.admin = p.serving(t)
	return p
}

// kill ends the process as kill -9 does.
func (p *part) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// end asks the process to end.
func (p *part) end(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := p.wait(t); status != 0 {
		t.Errorf("it ends with %d", status)
	}
}

// metric is the sum of the series of the process that match.
func (p *part) metric(t *testing.T, series string) (sum float64) {
	t.Helper()
	pattern := regexp.MustCompile(`(?m)^` + series + ` ([0-9.e+]+)$`)
	for _, found := range pattern.FindAllStringSubmatch(get(t, "http://"+p.admin+"/metrics").body, -1) {
		value, err := strconv.ParseFloat(found[len(found)-1], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += value
	}
	return sum
}

const (
	seriesCharges = `rpc_server_call_duration_seconds_count\{[^}]*rpc_method="shop.payment.v1.PaymentService/Charge"[^}]*\}`
	seriesExpiry  = `shop_mesh_certificate_expiry_timestamp_seconds`
)

// order places one.
func (a *apart) order(t *testing.T) answer {
	t.Helper()
	return send(t, http.MethodPost, a.gateway+"/api/v1/orders", exampleOrder, nil)
}

// wantOrders places orders, none of which may fail.
func (a *apart) wantOrders(t *testing.T, n int, when string) {
	t.Helper()
	for range n {
		if got := a.order(t); got.status != http.StatusCreated {
			t.Fatalf("an order %s: %d %s", when, got.status, got.body)
		}
	}
}

// freePort is an address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// TestMeshOfProcesses has each part of the shop be a process, and start in the
// order that is the worst: who calls before who is called, and the control plane
// last. Then parts end, in all ways, and come back.
func TestMeshOfProcesses(t *testing.T) {
	t.Parallel()
	broker, err := platform.StartBroker(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	a := &apart{sink: newTraceSink(t), dir: filepath.Join(t.TempDir(), "mesh"), bus: broker.URL(), address: freePort(t)}
	a.psp = "http://" + a.run(t, nil, "psp").serve(t).address

	gateway := a.member(t, "gateway", "gateway-1", "")
	order := a.member(t, "order", "order-1", "")
	user := a.member(t, "user", "user-1", "")
	notification := a.member(t, "notification", "notification-1", "")
	inventory := a.member(t, "inventory", "inventory-1", "")
	first, second := a.member(t, "payment", "payment-1", "v1"), a.member(t, "payment", "payment-2", "v2")
	eventually(t, "service that waits for its invitation", func() bool { return strings.Contains(order.errs.String(), "there is no invitation to the mesh") })
	plane := a.controlPlane(t, 0)
	for _, p := range []*part{gateway, order, user, notification, inventory, first, second} {
		p.serve(t)
	}
	a.gateway = "http://" + gateway.address
	eventually(t, "order", func() bool { return a.order(t).status == http.StatusCreated })
	if v2 := second.metric(t, seriesCharges); v2 != 0 {
		t.Errorf("v2 got %v payments although it has no share", v2)
	}

	t.Run("strangers", func(t *testing.T) { a.testStrangers(t, plane, inventory) })
	t.Run("operator", a.testOperator)

	// The control plane goes without a word. Those that run go on; who starts
	// waits for it.
	plane.kill()
	a.wantOrders(t, 5, "while there is no control plane")
	user.kill()
	user = a.member(t, "user", "user-2", "")
	eventually(t, "service that waits for the control plane", func() bool { return strings.Contains(user.errs.String(), "Failed to watch the Workload API") })
	plane = a.controlPlane(t, 100) // and all payments go to the canary
	user.serve(t)
	eventually(t, "order that is paid by the canary", func() bool { a.order(t); return second.metric(t, seriesCharges) > 0 })

	// Who waits can be asked to end, too.
	late := a.run(t, map[string]string{"MESH_DIR": filepath.Join(a.dir, "nowhere")}, "order")
	eventually(t, "service without an invitation", func() bool { return strings.Contains(late.errs.String(), "there is no invitation") })
	late.end(t)

	order.kill()
	order = a.member(t, "order", "order-2", "").serve(t)
	eventually(t, "order that a new process takes", func() bool { return a.order(t).status == http.StatusCreated })

	expiry := inventory.metric(t, seriesExpiry)
	eventually(t, "certificate that is newer, in a service that goes on", func() bool { return inventory.metric(t, seriesExpiry) > expiry })
	a.wantOrders(t, 5, "after the certificates have changed")
	for _, p := range []*part{gateway, order, user, notification, inventory, first, second, plane} {
		p.end(t)
	}
}

// testStrangers calls a service as those who are not to.
func (a *apart) testStrangers(t *testing.T, plane, inventory *part) {
	call := func(address string, options ...grpc.DialOption) codes.Code {
		conn, err := grpc.NewClient(address, options...)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err = inventoryv1.NewInventoryServiceClient(conn).Reserve(ctx, &inventoryv1.ReserveRequest{})
		return status.Code(err)
	}
	if got := call(inventory.address, grpc.WithTransportCredentials(insecure.NewCredentials())); got != codes.Unavailable {
		t.Errorf("who has no certificate is answered %v", got)
	}
	if n := inventory.metric(t, `shop_mesh_refusals_total\{caller="",reason="certificate",rpc_method=""\}`); n != 1 {
		t.Errorf("%v refused connections are counted, want 1", n)
	}

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	member, err := command{getenv: environment{}.lookup}.join(ctx, a.invitation("gateway"), "gateway", "gateway-9", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = member.Close() }()
	options, err := member.DialOptions("inventory")
	if err != nil {
		t.Fatal(err)
	}
	if got := call(meshTarget("inventory"), options...); got != codes.PermissionDenied {
		t.Errorf("the gateway may not reserve, and is answered %v", got)
	}
	if n := inventory.metric(t, `shop_mesh_refusals_total\{caller="gateway",reason="policy",rpc_method="shop.inventory.v1.InventoryService/Reserve"\}`); n != 1 {
		t.Errorf("%v refused calls are counted, want 1", n)
	}
	eventually(t, "span that tells of the refusal", func() bool { return a.sink.event("inventory", mesh.EventRefused) })

	another := a.run(t, map[string]string{"MESH_DIR": a.invitation("order")}, "payment")
	if got := another.wait(t); got != 1 || !strings.Contains(another.errs.String(), "the token makes this spiffe://shop.waybill/service/order") {
		t.Errorf("who shows another's token ends with %d", got)
	}
	forged := t.TempDir()
	for name, text := range map[string]string{mesh.FileAddress: a.address, mesh.FileToken: "GUESSED-GUESSED-GUESSED"} {
		if err := os.WriteFile(filepath.Join(forged, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.ReadFile(filepath.Join(a.invitation("order"), mesh.FileCA))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(forged, mesh.FileCA), root, 0o600); err != nil {
		t.Fatal(err)
	}
	guessing := a.run(t, map[string]string{"MESH_DIR": forged}, "order")
	eventually(t, "refused token, counted", func() bool { return plane.metric(t, "shop_mesh_tokens_refused_total") > 0 })
	eventually(t, "word of it", func() bool { return strings.Contains(guessing.errs.String(), "no service has this token") })
	if strings.Contains(guessing.errs.String()+plane.errs.String(), "GUESSED") {
		t.Error("a log tells the token")
	}
	guessing.kill()
}

// testOperator looks into the shop as who runs it, and as somebody else.
func (a *apart) testOperator(t *testing.T) {
	tool := func(invitation string, args ...string) (status int, out, errs string) {
		p := a.run(t, map[string]string{"MESH_DIR": a.invitation(invitation)}, args...)
		return p.wait(t), p.out.String(), p.errs.String()
	}
	if status, out, errs := tool(operator, "saga", "list"); status != 0 || !strings.HasPrefix(out, "ORDER") {
		t.Errorf("saga list: %d %s%s", status, out, errs)
	}
	if status, out, errs := tool(operator, "readmodel", "rebuild"); status != 0 || !strings.HasPrefix(out, "the read model is made again") {
		t.Errorf("readmodel rebuild: %d %s%s", status, out, errs)
	}
	if status, _, errs := tool("gateway", "saga", "list"); status != 1 || !strings.Contains(errs, "the token makes this spiffe://shop.waybill/service/gateway") {
		t.Errorf("saga list as the gateway: %d %s", status, errs)
	}
}
