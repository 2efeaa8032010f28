package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/payment"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// TestHistoryBeginsWithTheCustomer has the bus tell of a customer, twice, as it
// may.
func TestHistoryBeginsWithTheCustomer(t *testing.T) {
	t.Parallel()
	shop := newQuickShop(t, func(provider string) string { return provider }, payment.BreakerConfig{})
	history := func() (*orderv1.GetHistoryResponse, error) {
		return shop.orders.GetHistory(t.Context(), &orderv1.GetHistoryRequest{UserId: "usr_ada"})
	}
	if _, err := history(); status.Code(err) != codes.NotFound {
		t.Errorf("history of a stranger: %v", err)
	}
	came := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	payload, err := json.Marshal(platform.Event{
		ID: "evt_1", Type: platform.EventUserCreated, Time: came, Version: 1, Data: json.RawMessage(`{"user_id":"usr_ada"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := nats.Connect(shop.bus)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 2 {
		eventually(t, "stream for users", func() bool {
			_, err := conn.Request(platform.SubjectUserCreated, payload, patience)
			return err == nil
		})
	}
	if err := shop.place(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "history with an order", func() bool {
		got, err := history()
		return err == nil && got.GetOpenedAt().AsTime().Equal(came) && len(got.GetStatistics()) == 1 && got.GetStatistics()[0].GetOrders() == 1
	})
}
