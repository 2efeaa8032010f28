package order

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/inventory"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

func (w *world) list(t *testing.T, r *orderv1.ListOrdersRequest) []*orderv1.Order {
	t.Helper()
	answer, err := w.server.ListOrders(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return answer.GetOrders()
}

func TestQueries(t *testing.T) {
	w := newWorld(t)
	day := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	ids := make([]string, 4)
	for i := range ids {
		w.at(day.Add(time.Duration(i) * time.Hour))
		ids[i] = w.mustPlace(t, 1).GetId()
	}
	if _, err := w.change(t.Context(), ids[1], orderv1.Status_STATUS_SHIPPED, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := w.place(t.Context(), 2, psp.TokenDeclined); err == nil {
		t.Fatal("the card is good")
	}
	if err := w.projector.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := func(hour int) *timestamppb.Timestamp {
		return timestamppb.New(day.Add(time.Duration(hour) * time.Hour))
	}
	const confirmed = orderv1.Status_STATUS_CONFIRMED
	for name, c := range map[string]struct {
		request *orderv1.ListOrdersRequest
		want    []string
	}{
		"confirmed":     {&orderv1.ListOrdersRequest{UserId: "usr_ada", Status: confirmed}, []string{ids[3], ids[2], ids[0]}},
		"limit":         {&orderv1.ListOrdersRequest{Status: confirmed, Limit: 2}, []string{ids[3], ids[2]}},
		"from":          {&orderv1.ListOrdersRequest{Status: confirmed, From: at(2)}, []string{ids[3], ids[2]}},
		"to":            {&orderv1.ListOrdersRequest{Status: confirmed, To: at(2)}, []string{ids[0]}},
		"shipped":       {&orderv1.ListOrdersRequest{Status: orderv1.Status_STATUS_SHIPPED}, []string{ids[1]}},
		"pending":       {&orderv1.ListOrdersRequest{Status: orderv1.Status_STATUS_PENDING}, nil},
		"somebody else": {&orderv1.ListOrdersRequest{UserId: "usr_bruno"}, nil},
	} {
		var got []string
		for _, o := range w.list(t, c.request) {
			got = append(got, o.GetId())
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := w.list(t, &orderv1.ListOrdersRequest{}); len(got) != 5 {
		t.Errorf("%d orders in all, want 5", len(got))
	}
	_, err := w.server.ListOrders(t.Context(), &orderv1.ListOrdersRequest{Limit: maxLimit + 1})
	wantError(t, "too many", err, codes.InvalidArgument, platform.ReasonInvalid)
	w.wantStatistics(t,
		&orderv1.Statistic{Status: confirmed, Currency: "EUR", Orders: 3, Amount: 1500},
		&orderv1.Statistic{Status: orderv1.Status_STATUS_CANCELLED, Currency: "EUR", Orders: 1, Amount: 1000},
		&orderv1.Statistic{Status: orderv1.Status_STATUS_SHIPPED, Currency: "EUR", Orders: 1, Amount: 500})
}

func (w *world) wantStatistics(t *testing.T, want ...*orderv1.Statistic) {
	t.Helper()
	got, err := w.server.GetStatistics(t.Context(), &orderv1.GetStatisticsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.GetStatistics(), protocmp.Transform()); diff != "" {
		t.Errorf("statistics (-want +got):\n%s", diff)
	}
}

// TestOrderIsReadAtOnce reads an order that is not in the read model, is there
// as it was, and is there as it is.
func TestOrderIsReadAtOnce(t *testing.T) {
	w := newWorld(t)
	o := w.mustPlace(t, 1)
	check := func(status orderv1.Status) {
		t.Helper()
		got, err := w.server.GetOrder(t.Context(), &orderv1.GetOrderRequest{OrderId: o.GetId()})
		if err != nil || got.GetOrder().GetStatus() != status {
			t.Errorf("order is %v, %v", got, err)
		}
	}
	check(orderv1.Status_STATUS_CONFIRMED)
	for _, status := range []orderv1.Status{orderv1.Status_STATUS_CONFIRMED, orderv1.Status_STATUS_SHIPPED} {
		if err := w.projector.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		check(status)
		if _, err := w.change(t.Context(), o.GetId(), orderv1.Status_STATUS_SHIPPED, 0); err != nil {
			t.Fatal(err)
		}
		check(orderv1.Status_STATUS_SHIPPED)
	}
}

// TestReadModelIsRebuilt throws the read model away again and again while
// orders are placed, and compares it with what the events come to.
func TestReadModelIsRebuilt(t *testing.T) {
	w := newWorld(t)
	const customers, each = 4, 20 // More events than one batch.
	if err := w.stock.AddItems(t.Context(), []inventory.Item{{ID: "pen", Name: "Pen", Price: 100, Capacity: customers * each}}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range customers {
		wg.Go(func() {
			for range each {
				if _, err := w.server.CreateOrder(t.Context(), &orderv1.CreateOrderRequest{
					UserId: fmt.Sprintf("usr_%d", i), Currency: "EUR", CardToken: psp.TokenVisa,
					Lines: []*orderv1.Line{{ItemId: "pen", Quantity: 1}},
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	placed := make(chan struct{})
	go func() { wg.Wait(); close(placed) }()
	for done := false; !done; {
		select {
		case <-placed:
			done = true
		default:
		}
		if _, err := w.server.RebuildReadModel(t.Context(), &orderv1.RebuildReadModelRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := w.server.RebuildReadModel(t.Context(), &orderv1.RebuildReadModelRequest{})
	if err != nil || answer.GetOrders() != customers*each {
		t.Errorf("the read model has %d orders, want %d, %v", answer.GetOrders(), customers*each, err)
	}
	w.wantStatistics(t, &orderv1.Statistic{
		Status: orderv1.Status_STATUS_CONFIRMED, Currency: "EUR", Orders: customers * each, Amount: customers * each * 100,
	})
	for _, view := range w.list(t, &orderv1.ListOrdersRequest{Limit: maxLimit}) {
		o, err := w.store.Find(t.Context(), view.GetId())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(o.message(), view, protocmp.Transform()); diff != "" {
			t.Errorf("order (-events +view):\n%s", diff)
		}
	}
}
