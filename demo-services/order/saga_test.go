package order

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	paymentv1 "github.com/waybill-dev/waybill/demo-services/api/payment/v1"
	"github.com/waybill-dev/waybill/demo-services/inventory"
	"github.com/waybill-dev/waybill/demo-services/payment"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

// world is the order service with the real services it calls, all in this
// process, and a way to make any call fail before or after it is done.
type world struct {
	*Saga
	server    *Server
	projector *Projector
	dir       string
	stock     *inventory.Store
	money     *psp.Store
	// before and after are called around each call to another service; an
	// error from before keeps the call from being made, one from after loses
	// its answer.
	before, after func(call string) error
	inventory     *inventory.Server
	payment       *payment.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWithTTL(t, time.Hour)
}

// newWorldWithTTL has reservations expire after ttl, when somebody looks.
func newWorldWithTTL(t *testing.T, ttl time.Duration) *world {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	w := &world{
		dir:   t.TempDir(),
		money: psp.NewStore(platformtest.OpenDB(t, t.TempDir(), psp.Migrations)),
	}
	shelf := platformtest.OpenDB(t, t.TempDir(), inventory.Migrations)
	w.stock = inventory.NewStore(shelf, platform.NewOutbox(shelf, propagation.TraceContext{}), ttl)
	if err := w.stock.AddItems(t.Context(), []inventory.Item{{ID: "mug", Name: "Mug", Price: 500, Capacity: 10}}); err != nil {
		t.Fatal(err)
	}
	provider := httptest.NewServer(psp.NewServer(w.money, platform.Delays{}, quiet).Handler())
	t.Cleanup(provider.Close)
	w.inventory = inventory.NewServer(w.stock, quiet)
	till := platformtest.OpenDB(t, t.TempDir(), payment.Migrations)
	outside, err := payment.NewProvider(payment.Config{PSPURL: provider.URL, PSPTimeout: time.Minute}, platformtest.Telemetry(t), quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = outside.Close() })
	w.payment = payment.NewServer(payment.NewStore(till, platform.NewOutbox(till, propagation.TraceContext{})), outside, quiet)
	w.restart(t)
	return w
}

// restart is what a new process of the order service starts with: the
// database, and nothing else.
func (w *world) restart(t *testing.T) {
	t.Helper()
	nothing := func(string) error { return nil }
	w.before, w.after = nothing, nothing
	db := platformtest.OpenDB(t, w.dir, Migrations)
	store := NewStore(db, platform.NewOutbox(db, propagation.TraceContext{}))
	w.Saga = &Saga{
		store: store, inventory: inventoryDouble{w: w}, payment: paymentDouble{w}, metrics: newMetrics(),
		tracer: noop.NewTracerProvider().Tracer(""), propagator: propagation.TraceContext{},
		logger: slog.New(slog.DiscardHandler), config: DefaultSagaConfig(),
	}
	w.projector = NewProjector(store.db, slog.New(slog.DiscardHandler))
	w.server = NewServer(store, w.Saga, w.projector)
}

// later moves the order service's clock past every lease and pause.
func (w *world) later() {
	w.store.now = func() time.Time { return time.Now().Add(time.Hour) }
}

// call makes one call to another service, or has it fail.
func call[Q, A any](w *world, name string, ctx context.Context, q Q, do func(context.Context, Q) (A, error)) (A, error) { //nolint:revive // the context belongs to do
	var none A
	if err := w.before(name); err != nil {
		return none, err
	}
	answer, err := do(ctx, q)
	if lost := w.after(name); lost != nil {
		return none, lost
	}
	return answer, err
}

type inventoryDouble struct {
	inventoryv1.InventoryServiceClient // nil: the saga calls nothing but what follows

	w *world
}

func (d inventoryDouble) Reserve(ctx context.Context, q *inventoryv1.ReserveRequest, _ ...grpc.CallOption) (*inventoryv1.ReserveResponse, error) {
	return call(d.w, "reserve", ctx, q, d.w.inventory.Reserve)
}

func (d inventoryDouble) Confirm(ctx context.Context, q *inventoryv1.ConfirmRequest, _ ...grpc.CallOption) (*inventoryv1.ConfirmResponse, error) {
	return call(d.w, "confirm", ctx, q, d.w.inventory.Confirm)
}

func (d inventoryDouble) Release(ctx context.Context, q *inventoryv1.ReleaseRequest, _ ...grpc.CallOption) (*inventoryv1.ReleaseResponse, error) {
	return call(d.w, "release", ctx, q, d.w.inventory.Release)
}

type paymentDouble struct{ w *world }

func (d paymentDouble) Charge(ctx context.Context, q *paymentv1.ChargeRequest, _ ...grpc.CallOption) (*paymentv1.ChargeResponse, error) {
	return call(d.w, "charge", ctx, q, d.w.payment.Charge)
}

func (d paymentDouble) Refund(ctx context.Context, q *paymentv1.RefundRequest, _ ...grpc.CallOption) (*paymentv1.RefundResponse, error) {
	return call(d.w, "refund", ctx, q, d.w.payment.Refund)
}

func (w *world) place(ctx context.Context, mugs int64, token string) (*orderv1.Order, error) {
	answer, err := w.server.CreateOrder(ctx, &orderv1.CreateOrderRequest{
		UserId: "usr_ada", Email: "ada@example.com", Currency: "EUR", CardToken: token,
		Lines: []*orderv1.Line{{ItemId: "mug", Quantity: mugs}},
	})
	return answer.GetOrder(), err
}

// outcome is how the world must add up once an order has ended.
type outcome struct {
	Step      Step
	Reason    string
	Available int64
	// Money is the charge's state at the provider; empty if it never heard of it.
	Money  psp.State
	Events []string
}

func (w *world) outcome(t *testing.T, id string) outcome {
	t.Helper()
	o, err := w.store.Find(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	available, err := w.stock.Available(t.Context(), "mug")
	if err != nil {
		t.Fatal(err)
	}
	charge, _ := w.money.Find(t.Context(), id)
	got := outcome{Step: o.Step, Reason: o.Reason, Available: available, Money: charge.State}
	for _, e := range platformtest.OutboxOf(t, w.store.db) {
		got.Events = append(got.Events, e.Subject+" "+e.Event.Type)
	}
	var sagas int
	if err := w.store.db.QueryRow(t.Context(), []any{&sagas}, "SELECT count(*) FROM sagas WHERE order_id = ?", id); err != nil {
		t.Fatal(err)
	}
	if o.Step.Ended() == (sagas > 0) {
		t.Errorf("the order is %s, and has %d sagas, which know its card", o.Step, sagas)
	}
	return got
}

func (w *world) wantOutcome(t *testing.T, id string, want outcome) {
	t.Helper()
	if diff := cmp.Diff(want, w.outcome(t, id)); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
}

// told is what others learn of an order, from its first event on.
func told(then ...string) []string {
	return append([]string{"orders.created order.created"}, then...)
}

func confirmed() outcome {
	return outcome{Step: Confirmed, Available: 8, Money: psp.Captured, Events: told("orders.confirmed order.confirmed")}
}

func cancelled(reason string, money psp.State) outcome {
	return outcome{Step: Cancelled, Reason: reason, Available: 10, Money: money, Events: told("orders.cancelled order.cancelled")}
}

func TestOrderIsConfirmed(t *testing.T) {
	w := newWorld(t)
	o, err := w.place(t.Context(), 2, psp.TokenVisa)
	if err != nil {
		t.Fatal(err)
	}
	if o.GetStatus() != orderv1.Status_STATUS_CONFIRMED || o.GetAmount() != 1000 || o.GetLines()[0].GetName() != "Mug" {
		t.Errorf("order is %v", o)
	}
	w.wantOutcome(t, o.GetId(), confirmed())
	kept, err := w.server.GetOrder(t.Context(), &orderv1.GetOrderRequest{OrderId: o.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(o, kept.GetOrder(), protocmp.Transform()); diff != "" {
		t.Errorf("order (-answered +kept):\n%s", diff)
	}
}

func TestRefusedOrdersLeaveNothingBehind(t *testing.T) {
	for name, c := range map[string]struct {
		mugs   int64
		token  string
		code   codes.Code
		reason string
		money  psp.State
	}{
		"declined card": {2, psp.TokenDeclined, codes.FailedPrecondition, platform.ReasonCardDeclined, psp.Declined},
		"out of stock":  {11, psp.TokenVisa, codes.FailedPrecondition, platform.ReasonOutOfStock, ""},
		"psp outage":    {2, psp.TokenOutage, codes.Unavailable, platform.ReasonPSPUnavailable, psp.Voided},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, err := w.place(t.Context(), c.mugs, c.token)
			reason, metadata := platform.ReasonOf(err)
			if status.Code(err) != c.code || reason != c.reason || metadata["order_id"] == "" {
				t.Fatalf("error is %v, reason %q, %v", err, reason, metadata)
			}
			w.wantOutcome(t, metadata["order_id"], cancelled(c.reason, c.money))
		})
	}
}

func TestOtherRefusals(t *testing.T) {
	w := newWorld(t)
	request := func(item string, quantity, expected int64) *orderv1.CreateOrderRequest {
		return &orderv1.CreateOrderRequest{
			UserId: "usr_ada", Currency: "EUR", CardToken: psp.TokenVisa, ExpectedAmount: expected,
			Lines: []*orderv1.Line{{ItemId: item, Quantity: quantity}},
		}
	}
	for name, c := range map[string]struct {
		request *orderv1.CreateOrderRequest
		code    codes.Code
		reason  string
	}{
		"unknown item":   {request("unicorn", 1, 0), codes.NotFound, platform.ReasonUnknownItem},
		"other price":    {request("mug", 1, 499), codes.FailedPrecondition, platform.ReasonAmountMismatch},
		"negative":       {request("mug", -1, 0), codes.InvalidArgument, platform.ReasonInvalid},
		"overflow":       {request("mug", 1<<60, 0), codes.InvalidArgument, platform.ReasonInvalid},
		"negative price": {request("mug", 1, -5), codes.InvalidArgument, platform.ReasonInvalid},
		"empty":          {&orderv1.CreateOrderRequest{}, codes.InvalidArgument, platform.ReasonInvalid},
	} {
		_, err := w.server.CreateOrder(t.Context(), c.request)
		if reason, _ := platform.ReasonOf(err); status.Code(err) != c.code || reason != c.reason {
			t.Errorf("%s: %v, want %v with %s", name, err, c.code, c.reason)
		}
	}
	if _, err := w.server.GetOrder(t.Context(), &orderv1.GetOrderRequest{OrderId: "ord_no"}); status.Code(err) != codes.NotFound {
		t.Errorf("unknown order: %v", err)
	}
	if n, err := w.stock.Available(t.Context(), "mug"); err != nil || n != 10 {
		t.Errorf("%d mugs are left (%v), want 10", n, err)
	}
}

// errKilled is what a call panics with to end the saga where it is, as a killed
// process would.
var errKilled = errors.New("killed")

func TestSagaGoesOnAfterACrash(t *testing.T) {
	for _, c := range []struct{ token, at string }{
		{psp.TokenVisa, "before reserve"},
		{psp.TokenVisa, "after reserve"},
		{psp.TokenVisa, "before charge"},
		{psp.TokenVisa, "after charge"},
		{psp.TokenVisa, "before confirm"},
		{psp.TokenVisa, "after confirm"},
		{psp.TokenDeclined, "after charge"},
		{psp.TokenDeclined, "before release"},
		{psp.TokenDeclined, "after release"},
	} {
		t.Run(c.token+" "+c.at, func(t *testing.T) {
			w := newWorld(t)
			killAt(w, c.at)
			id := w.placeAndDie(t, c.token)
			w.restart(t)
			if err := w.Recover(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := w.outcome(t, id); got.Step.Ended() {
				t.Errorf("the saga was taken over before its lease had ended, or nobody died: %v", got)
			}
			w.later()
			if err := w.Recover(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := confirmed()
			if c.token == psp.TokenDeclined {
				want = cancelled(platform.ReasonCardDeclined, psp.Declined)
			}
			w.wantOutcome(t, id, want)
		})
	}
}

// TestSagaGoesOnAfterEachEvent kills the process right after each of the
// events that it writes, which is where it has the least to go by.
func TestSagaGoesOnAfterEachEvent(t *testing.T) {
	for token, events := range map[string]int{psp.TokenVisa: 4, psp.TokenDeclined: 5, psp.TokenOutage: 6} {
		for at := 1; at <= events; at++ {
			w := newWorld(t)
			written := 0
			w.store.appended = func() {
				if written++; written == at {
					panic(errKilled)
				}
			}
			id := w.placeAndDie(t, token)
			w.restart(t)
			w.later()
			if err := w.Recover(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := map[string]outcome{
				psp.TokenVisa: confirmed(), psp.TokenDeclined: cancelled(platform.ReasonCardDeclined, psp.Declined),
				psp.TokenOutage: cancelled(platform.ReasonPSPUnavailable, psp.Voided),
			}[token]
			w.wantOutcome(t, id, want)
			if o, err := w.store.Find(t.Context(), id); err != nil || o.Version != int64(events) || written != at {
				t.Errorf("%s killed after event %d of %d: %d events, %v", token, written, at, o.Version, err)
			}
		}
	}
}

// killAt has the process die at one point.
func killAt(w *world, at string) {
	die := func(when string) func(string) error {
		return func(call string) error {
			if when+" "+call == at {
				panic(errKilled)
			}
			return nil
		}
	}
	w.before, w.after = die("before"), die("after")
}

// placeAndDie places an order of two mugs and returns its id, whatever happens.
func (w *world) placeAndDie(t *testing.T, token string) (id string) {
	t.Helper()
	defer func() {
		if cause := recover(); cause != nil && cause != errKilled { //nolint:errorlint // a panic's value
			panic(cause)
		}
		if err := w.store.db.QueryRow(t.Context(), []any{&id}, "SELECT order_id FROM events"); err != nil {
			t.Fatal(err)
		}
	}()
	_, _ = w.place(t.Context(), 2, token)
	return ""
}

func TestPaidOrderIsConfirmedAfterACrash(t *testing.T) {
	w := newWorld(t)
	killAt(w, "after charge")
	id := w.placeAndDie(t, psp.TokenVisa)
	o, err := w.store.Find(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	other := o
	if err := w.store.Append(t.Context(), &o, PaymentTaken{}); err != nil {
		t.Fatal(err)
	}
	w.restart(t)
	w.later()
	if err := w.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantOutcome(t, id, confirmed())
	if err := w.store.Append(t.Context(), &other, PaymentTaken{}); !errors.Is(err, ErrMoved) {
		t.Errorf("a second driver was not stopped: %v", err)
	}
}

func TestLostAnswerIsCompensated(t *testing.T) {
	lost := status.Error(codes.Unavailable, "connection lost")
	for call, want := range map[string]outcome{
		"reserve": cancelled(platform.ReasonInventoryUnavailable, ""),
		"charge":  cancelled(platform.ReasonPaymentUnavailable, psp.Refunded),
		"confirm": cancelled(platform.ReasonInventoryUnavailable, psp.Refunded),
	} {
		w := newWorld(t)
		w.after = func(c string) error {
			if c == call {
				return lost
			}
			return nil
		}
		_, err := w.place(t.Context(), 2, psp.TokenVisa)
		_, metadata := platform.ReasonOf(err)
		if status.Code(err) != codes.Unavailable {
			t.Errorf("%s: %v, want Unavailable", call, err)
		}
		w.wantOutcome(t, metadata["order_id"], want)
	}
}

func TestFailedCompensationIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.before = func(call string) error {
		if call == "release" {
			return status.Error(codes.Unavailable, "inventory is down")
		}
		return nil
	}
	_, err := w.place(t.Context(), 2, psp.TokenDeclined)
	reason, metadata := platform.ReasonOf(err)
	if reason != platform.ReasonCardDeclined {
		t.Fatalf("error is %v", err)
	}
	id := metadata["order_id"]
	pending := outcome{Step: Cancelling, Reason: platform.ReasonCardDeclined, Available: 8, Money: psp.Declined, Events: told()}
	w.wantOutcome(t, id, pending)
	w.later()
	if err := w.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantOutcome(t, id, pending)

	w.restart(t)
	w.store.now = func() time.Time { return time.Now().Add(3 * time.Hour) }
	if err := w.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantOutcome(t, id, cancelled(platform.ReasonCardDeclined, psp.Declined))
}

func TestClientThatGoesAwayLeavesNothingHalfDone(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.after = func(call string) error {
		if call == "reserve" {
			cancel()
		}
		return nil
	}
	w.before = func(call string) error {
		if call == "charge" {
			return status.FromContextError(ctx.Err()).Err()
		}
		return nil
	}
	_, err := w.place(ctx, 2, psp.TokenVisa)
	_, metadata := platform.ReasonOf(err)
	w.wantOutcome(t, metadata["order_id"], cancelled(platform.ReasonPaymentUnavailable, ""))
}
