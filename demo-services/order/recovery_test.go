package order

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

func (w *world) sagas(t *testing.T, parked bool) []*orderv1.Saga {
	t.Helper()
	answer, err := w.server.ListSagas(t.Context(), &orderv1.ListSagasRequest{Parked: parked})
	if err != nil {
		t.Fatal(err)
	}
	return answer.GetSagas()
}

// TestCompensationThatKeepsFailingIsParked has inventory refuse to take stock
// back for ever, until a person has seen to it.
func TestCompensationThatKeepsFailingIsParked(t *testing.T) {
	w := newWorld(t)
	w.config.ParkAfter = 3
	registry := prometheus.NewPedanticRegistry()
	if err := w.metrics.register(registry, w.store.db); err != nil {
		t.Fatal(err)
	}
	tries := 0
	w.before = func(call string) error {
		if call == "release" {
			tries++
			return status.Error(codes.Unavailable, "inventory is down")
		}
		return nil
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	w.at(now)
	_, err := w.place(t.Context(), 2, psp.TokenDeclined)
	_, metadata := platform.ReasonOf(err)
	id := metadata["order_id"]
	// The wait doubles, and nobody tries before it is over.
	for _, wait := range []time.Duration{time.Second, 2 * time.Second} {
		got := w.sagas(t, false)
		if len(got) != 1 || got[0].GetOrderId() != id || got[0].GetStep() != "CANCELLING" || got[0].GetReason() != platform.ReasonCardDeclined ||
			!got[0].GetDueAt().AsTime().Equal(now.Add(wait)) || got[0].GetParkedAt() != nil {
			t.Fatalf("sagas are %v, want one that is due after %v", got, wait)
		}
		before := tries
		for _, at := range []time.Duration{wait - time.Millisecond, wait} {
			w.at(now.Add(at))
			if err := w.Recover(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if tries != before+1 {
			t.Errorf("it was tried %d times, want once", tries-before)
		}
		now = now.Add(wait)
	}
	w.later()
	if err := w.Recover(t.Context()); err != nil || tries != 3 {
		t.Errorf("it was tried %d times, want 3; %v", tries, err)
	}
	got := w.sagas(t, true)
	if len(got) != 1 || got[0].GetParkedAt() == nil || got[0].GetDueAt() != nil || got[0].GetFailures() != 3 ||
		got[0].GetLastError() != "rpc error: code = Unavailable desc = inventory is down" {
		t.Fatalf("parked sagas are %v", got)
	}
	wantParked := func(want bool) {
		t.Helper()
		answer, err := w.server.GetOrder(t.Context(), &orderv1.GetOrderRequest{OrderId: id})
		if err != nil || answer.GetOrder().GetParked() != want {
			t.Errorf("order is %v, %v", answer, err)
		}
		if err := w.projector.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		list, err := w.server.ListOrders(t.Context(), &orderv1.ListOrdersRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list.GetOrders() {
			if o.GetParked() != want {
				t.Errorf("in a list, order %s is parked: %v", o.GetId(), o.GetParked())
			}
		}
		if len(list.GetOrders()) != 1 {
			t.Errorf("%d orders are listed, want 1", len(list.GetOrders()))
		}
	}
	wantParked(true)
	wantMetric := func(name string, want float64) {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == name && f.GetMetric()[0].GetGauge().GetValue() != want {
				t.Errorf("%s is %v, want %v", name, f.GetMetric()[0].GetGauge().GetValue(), want)
			}
		}
	}
	wantMetric("shop_sagas_parked", 1)
	if n := testutil.ToFloat64(w.metrics.compensationsFailed); n != 3 {
		t.Errorf("%v failures are counted, want 3", n)
	}

	w.before = func(string) error { return nil }
	if _, err := w.server.ResumeSaga(t.Context(), &orderv1.ResumeSagaRequest{OrderId: id}); err != nil {
		t.Fatal(err)
	}
	wantParked(false)
	if err := w.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantOutcome(t, id, cancelled(platform.ReasonCardDeclined, psp.Declined))
	wantMetric("shop_sagas_parked", 0)
	_, err = w.server.ResumeSaga(t.Context(), &orderv1.ResumeSagaRequest{OrderId: id})
	wantError(t, "ended saga", err, codes.NotFound, platform.ReasonUnknownOrder)
	_, err = w.server.ListSagas(t.Context(), &orderv1.ListSagasRequest{Limit: -1})
	wantError(t, "negative limit", err, codes.InvalidArgument, platform.ReasonInvalid)
}

// TestResumingASagaThatGoesOnChangesNothing resumes one that is under way.
func TestResumingASagaThatGoesOnChangesNothing(t *testing.T) {
	w := newWorld(t)
	killAt(w, "after reserve")
	id := w.placeAndDie(t, psp.TokenVisa)
	w.restart(t)
	if _, err := w.server.ResumeSaga(t.Context(), &orderv1.ResumeSagaRequest{OrderId: id}); err != nil {
		t.Fatal(err)
	}
	if err := w.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.outcome(t, id); got.Step != Created {
		t.Errorf("the order is %s, although its lease has not ended", got.Step)
	}
}

// TestStoryIsOneTraceWithLinks kills the process twice: what comes later is in
// the order's trace, and links to where the one before it was.
func TestStoryIsOneTraceWithLinks(t *testing.T) {
	w := newWorld(t)
	exporter := tracetest.NewInMemoryExporter()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	use := func() {
		w.tracer, w.propagator = tp.Tracer(""), propagation.TraceContext{}
	}
	use()
	ctx, request := tp.Tracer("").Start(t.Context(), "request")
	killAt(w, "before charge")
	var id string
	func() {
		defer func() { _ = recover() }()
		_, _ = w.place(ctx, 2, psp.TokenVisa)
	}()
	w.restart(t)
	use()
	if err := w.store.db.QueryRow(t.Context(), []any{&id}, "SELECT order_id FROM events"); err != nil {
		t.Fatal(err)
	}
	w.later()
	if err := w.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantOutcome(t, id, confirmed())
	cancelling, cancel := tp.Tracer("").Start(t.Context(), "request to cancel")
	if _, err := w.cancel(cancelling, id, 0); err != nil {
		t.Fatal(err)
	}
	cancel.End()
	spans := map[string]tracetest.SpanStub{}
	for _, s := range exporter.GetSpans() {
		spans[s.Name] = s
	}
	for name, want := range map[string]struct {
		trace  string
		linked string
	}{
		"resume order": {request.SpanContext().TraceID().String(), "place order"},
		"cancel order": {cancel.SpanContext().TraceID().String(), "resume order"},
	} {
		s, linked := spans[name], spans[want.linked]
		if s.SpanContext.TraceID().String() != want.trace || len(s.Links) != 1 || s.Links[0].SpanContext.SpanID() != linked.SpanContext.SpanID() {
			t.Errorf("%s: trace %v with links %v, want trace %s with a link to %v", name, s.SpanContext.TraceID(), s.Links, want.trace, linked.SpanContext)
		}
	}
}

// TestStoppingLeavesSagasToTheNextStart stops the process while it has taken a
// saga over: that is no reason to turn back.
func TestStoppingLeavesSagasToTheNextStart(t *testing.T) {
	for _, at := range []string{"reserve", "charge", "confirm"} {
		w := newWorld(t)
		killAt(w, "before reserve")
		id := w.placeAndDie(t, psp.TokenVisa)
		w.restart(t)
		w.later()
		ctx, stop := context.WithCancel(t.Context())
		w.before = func(call string) error {
			if call == at {
				stop()
				return status.FromContextError(ctx.Err()).Err()
			}
			return nil
		}
		if err := w.Recover(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if o, err := w.store.Find(t.Context(), id); err != nil || o.Step == Cancelling || o.Step.Ended() {
			t.Errorf("stopped at %s: the order is %s, %v", at, o.Step, err)
		}
		w.restart(t)
		w.store.now = func() time.Time { return time.Now().Add(3 * time.Hour) }
		if err := w.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.wantOutcome(t, id, confirmed())
	}
}

// TestSagasAreTakenOverAtOnce has two drivers meet.
func TestSagasAreTakenOverAtOnce(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		killAt(w, "before charge")
		w.placeAndDie(t, psp.TokenVisa)
		w.restart(t)
	}
	w.later()
	var at atomic.Int32
	both := make(chan struct{})
	w.before = func(call string) error {
		if call != "charge" {
			return nil
		}
		if at.Add(1) == 2 {
			close(both)
		}
		select {
		case <-both:
			return nil
		case <-time.After(30 * time.Second):
			return errors.New("the other did not come")
		}
	}
	if err := w.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.sagas(t, false); len(got) != 0 {
		t.Errorf("sagas are left: %v", got)
	}
}

func TestHistoryOfACustomer(t *testing.T) {
	w := newWorld(t)
	came := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	h := NewHistories(w.store.db)
	for i, data := range []string{`{"user_id":"usr_ada","email":"ada@example.com"}`, `{"user_id":"usr_ada"}`} {
		e := platform.Event{ID: fmt.Sprint("evt_", i), Type: platform.EventUserCreated, Time: came.Add(time.Duration(i) * time.Hour), Data: json.RawMessage(data)}
		if err := h.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for _, data := range []string{`{`, `{}`} {
		if err := h.Handle(t.Context(), platform.Event{ID: "evt_bad", Type: platform.EventUserCreated, Data: json.RawMessage(data)}); !errors.Is(err, platform.ErrPoison) {
			t.Errorf("%s: %v, want ErrPoison", data, err)
		}
	}
	history := func(user string) (*orderv1.GetHistoryResponse, error) {
		return w.server.GetHistory(t.Context(), &orderv1.GetHistoryRequest{UserId: user})
	}
	got, err := history("usr_ada")
	if err != nil || !got.GetOpenedAt().AsTime().Equal(came) || len(got.GetStatistics()) != 0 {
		t.Errorf("history is %v, %v", got, err)
	}
	w.mustPlace(t, 2)
	if err := w.projector.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err = history("usr_ada")
	if err != nil || len(got.GetStatistics()) != 1 || got.GetStatistics()[0].GetAmount() != 1000 {
		t.Errorf("history is %v, %v", got, err)
	}
	_, err = history("usr_nobody")
	wantError(t, "stranger", err, codes.NotFound, platform.ReasonUnknownUser)
}
