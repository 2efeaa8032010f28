package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	paymentv1 "github.com/waybill-dev/waybill/demo-services/api/payment/v1"
	"github.com/waybill-dev/waybill/demo-services/audit"
	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/payment"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

// asProgram makes this test's binary the program that it tests, so that there is
// a process to kill.
const asProgram = "WAYBILL_TEST_AS_PROGRAM"

// roundsVariable says how often each crash is tried; see TestOrderServiceIsKilled.
const roundsVariable = "WAYBILL_CRASH_ROUNDS"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// trap holds orders up at one point of their saga. Orders of before go through.
type trap struct {
	mu      sync.Mutex
	point   string
	size    int
	old     map[string]bool
	ours    map[string]bool
	caught  map[string]bool
	reached chan struct{}
}

// set has the next orders, as many as size, be caught at the point.
func (t *trap) set(point string, size int) (reached <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.point, t.size, t.reached = point, size, make(chan struct{})
	t.ours, t.caught = map[string]bool{}, map[string]bool{}
	return t.reached
}

// spring has the orders that were caught be of before.
func (t *trap) spring() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range t.ours {
		t.old[id] = true
	}
	t.point = ""
}

// pass says that an order is at the point, and whether it is caught there.
func (t *trap) pass(point, id string) (caught bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.old[id] {
		return false
	}
	if t.ours != nil {
		t.ours[id] = true
	}
	if point != t.point {
		return false
	}
	if !t.caught[id] {
		t.caught[id] = true
		if len(t.caught) == t.size {
			close(t.reached)
		}
	}
	return true
}

// around makes a call for an order, and holds it up before or after it until the
// caller is gone.
func around[A any](ctx context.Context, t *trap, call, id string, do func() (A, error)) (A, error) {
	var none A
	if t.pass("before "+call, id) {
		<-ctx.Done()
		return none, ctx.Err()
	}
	answer, err := do()
	if t.pass("after "+call, id) {
		<-ctx.Done()
		return none, ctx.Err()
	}
	return answer, err
}

// tappedInventory and tappedPayment stand before the services.
type tappedInventory struct {
	inventoryv1.UnimplementedInventoryServiceServer
	trap *trap
	next inventoryv1.InventoryServiceClient
}

func (i tappedInventory) Reserve(ctx context.Context, r *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
	return around(ctx, i.trap, "reserve", r.GetOrderId(), func() (*inventoryv1.ReserveResponse, error) { return i.next.Reserve(ctx, r) })
}

func (i tappedInventory) Confirm(ctx context.Context, r *inventoryv1.ConfirmRequest) (*inventoryv1.ConfirmResponse, error) {
	return around(ctx, i.trap, "confirm", r.GetOrderId(), func() (*inventoryv1.ConfirmResponse, error) { return i.next.Confirm(ctx, r) })
}

func (i tappedInventory) Release(ctx context.Context, r *inventoryv1.ReleaseRequest) (*inventoryv1.ReleaseResponse, error) {
	return around(ctx, i.trap, "release", r.GetOrderId(), func() (*inventoryv1.ReleaseResponse, error) { return i.next.Release(ctx, r) })
}

type tappedPayment struct {
	paymentv1.UnimplementedPaymentServiceServer
	trap *trap
	next paymentv1.PaymentServiceClient
}

func (p tappedPayment) Charge(ctx context.Context, r *paymentv1.ChargeRequest) (*paymentv1.ChargeResponse, error) {
	return around(ctx, p.trap, "charge", r.GetOrderId(), func() (*paymentv1.ChargeResponse, error) { return p.next.Charge(ctx, r) })
}

func (p tappedPayment) Refund(ctx context.Context, r *paymentv1.RefundRequest) (*paymentv1.RefundResponse, error) {
	return around(ctx, p.trap, "refund", r.GetOrderId(), func() (*paymentv1.RefundResponse, error) { return p.next.Refund(ctx, r) })
}

// killing is a shop whose order service is a process of its own, to be killed,
// and whose other services stay.
type killing struct {
	*trap
	data, bus string
	env       []string
	process   *exec.Cmd
	orders    orderv1.OrderServiceClient
	calls     sync.WaitGroup
}

func newKilling(t *testing.T) *killing {
	t.Helper()
	broker, err := platform.StartBroker(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	k := &killing{trap: &trap{old: map[string]bool{}}, data: t.TempDir(), bus: broker.URL()}
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
		host, err := s.start(t.Context(), platform.Config{Listen: "127.0.0.1:0", Admin: platform.Off, DataDir: k.data}, at, platformtest.Telemetry(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = host.Shutdown(context.WithoutCancel(t.Context())) })
		s.found(&at, host.Addr().String())
	}
	tapped := k.tap(t, at)
	k.env = append(os.Environ(), asProgram+"=1", "LISTEN=127.0.0.1:0", "ADMIN_LISTEN=off", "DATA_DIR="+k.data, "NATS_URL="+k.bus,
		"INVENTORY_ADDR="+tapped, "PAYMENT_ADDR="+tapped, "SAGA_LEASE=500ms",
		"OTEL_TRACES_EXPORTER=none", "OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none")
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
	k.process = exec.Command(os.Args[0], "order") //nolint:noctx // it is killed, not asked to end
	k.process.Env = k.env
	stderr, err := k.process.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.process.Start(); err != nil {
		t.Fatal(err)
	}
	running := k.process
	t.Cleanup(func() { _ = running.Process.Kill() }) // Where a test has failed.
	log := &program{errs: &output{}}
	k.calls.Go(func() { _, _ = io.Copy(log.errs, stderr) })
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the order service said:\n%s", log.errs)
		}
	})
	address, _ := log.serving(t)
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
	if err := k.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	k.calls.Wait()
	_ = k.process.Wait() // It says that it was killed.
}

func (k *killing) place(ctx context.Context, card string) (id string, err error) {
	answer, err := k.orders.CreateOrder(ctx, &orderv1.CreateOrderRequest{
		UserId: "usr_ada", Email: "ada@example.com", Currency: "EUR", CardToken: card,
		Lines: []*orderv1.Line{{ItemId: "itm_tea", Quantity: 1}, {ItemId: "itm_mug", Quantity: 2}},
	})
	return answer.GetOrder().GetId(), err
}

// crash is a point at which the order service is killed while it is at orders
// that are paid for with the card; or, if they are to be returned, are confirmed
// already and cancelled by their customers.
type crash struct {
	card, point string
	returned    bool
}

func crashes() []crash {
	var all []crash
	for _, call := range []string{"reserve", "charge", "confirm"} {
		all = append(all, crash{psp.TokenVisa, "before " + call, false}, crash{psp.TokenVisa, "after " + call, false})
	}
	for _, call := range []string{"refund", "release"} {
		for _, when := range []string{"before ", "after "} {
			all = append(all, crash{psp.TokenOutage, when + call, false}, crash{psp.TokenVisa, when + call, true})
		}
	}
	return append(all, crash{psp.TokenVisa, "told", false}, crash{psp.TokenOutage, "told", false})
}

// TestOrderServiceIsKilled kills the process of the order service at each step
// of the saga and of its way back, while two orders are there, and has a new one
// go on. Afterwards no order is half done, and the databases of all services
// agree. WAYBILL_CRASH_ROUNDS=10 does all that ten times, so that each step has
// been the last one of twenty orders.
func TestOrderServiceIsKilled(t *testing.T) {
	const atOnce = 2
	rounds := 1
	if text := os.Getenv(roundsVariable); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", roundsVariable, err)
		}
	}
	k := newKilling(t)
	k.start(t)
	want := map[order.Step]int{}
	for range rounds {
		for _, c := range crashes() {
			k.one(t, c, atOnce)
			if c.card == psp.TokenVisa && !c.returned {
				want[order.Confirmed] += atOnce
			} else {
				want[order.Cancelled] += atOnce
			}
		}
	}
	report := k.settled(t)
	k.kill(t)
	if diff := cmp.Diff(want, report.ByStep); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
	for _, f := range report.Findings {
		t.Errorf("%s: %s", f.About, f.What)
	}
	t.Logf("%d kills, %d orders, %d messages", rounds*len(crashes()), report.Orders, report.Messages)
	k.wantEachToldOnce(t)
}

// one has orders come to the point, kills the service there, and starts it again.
func (k *killing) one(t *testing.T, c crash, orders int) {
	t.Helper()
	var placed []string
	for range orders {
		if !c.returned {
			break
		}
		id, err := k.place(t.Context(), c.card)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		placed = append(placed, id)
	}
	reached := k.set(c.point, orders)
	for i := range orders {
		k.calls.Go(func() { // Most of them end with the process.
			if c.returned {
				_, _ = k.orders.CancelOrder(t.Context(), &orderv1.CancelOrderRequest{OrderId: placed[i]})
			} else {
				_, _ = k.place(t.Context(), c.card)
			}
		})
	}
	select {
	case <-reached:
	case <-time.After(patience):
		t.Fatalf("no order came to %+v", c)
	}
	k.kill(t)
	k.spring()
	k.start(t)
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
		report = books.Check()
		if report.Settled() && len(report.Findings) == 0 || time.Now().After(deadline) {
			return report
		}
	}
}

// wantEachToldOnce looks at what is on the bus: no event may be there twice, and
// none missing.
func (k *killing) wantEachToldOnce(t *testing.T) {
	t.Helper()
	books, err := audit.Read(t.Context(), k.data)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	for id, a := range books.Orders {
		want[id+" "+platform.SubjectOrderCreated]++
		for subject, n := range map[string]int{platform.SubjectConfirmed: a.Confirmed, platform.SubjectCancelled: a.Cancelled} {
			if n > 0 {
				want[id+" "+subject] = n
			}
		}
	}
	if diff := cmp.Diff(want, published(t, k.bus)); diff != "" {
		t.Errorf("events on the bus (-want +got):\n%s", diff)
	}
}

// published counts the events of each order on the bus, by its subject.
func published(t *testing.T, url string) map[string]int {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), platform.StreamOrders)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for seq := uint64(1); ; seq++ {
		m, err := stream.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		got[strings.TrimSpace(orderOfEvent(m.Data)+" "+m.Subject)]++
	}
}
