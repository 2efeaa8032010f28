package contract

import (
	"net/http"
	"strings"
	"testing"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/gateway"
	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
)

// nowhere is an address at which nobody listens.
const nowhere = "127.0.0.1:1"

// TestOrderTellsOfParkedSagas asks the real order service, whose inventory is
// down for good.
func TestOrderTellsOfParkedSagas(t *testing.T) {
	cfg := order.DefaultConfig()
	cfg.Config, cfg.NATSURL, cfg.InventoryAddr, cfg.PaymentAddr = alone(t), noBus, nowhere, nowhere
	cfg.Saga.ParkAfter = 1
	host, err := order.Start(t.Context(), cfg, platformtest.Telemetry(t))
	conn := dial(t, running(t, host, err))
	_, refusal := invoke(t, conn, Call{
		Method: orderv1.OrderService_CreateOrder_FullMethodName, Request: ordered("itm_coffee", "tok_visa", 0), Answer: &orderv1.CreateOrderResponse{},
	})
	reason, metadata := platform.ReasonOf(refusal)
	if reason != platform.ReasonInventoryUnavailable || metadata["order_id"] == "" {
		t.Fatalf("the order is answered %v", refusal)
	}
	call := GatewayOfParkedOrder().WithOrder(metadata["order_id"])
	eventually(t, func() string { return differs(t, conn, call) })
}

// TestGatewayShowsParkedOrders runs the gateway against a stub of order.
func TestGatewayShowsParkedOrders(t *testing.T) {
	cfg := gateway.DefaultConfig()
	cfg.Config, cfg.Limits.Timeout = alone(t), patience
	cfg.OrderAddr = startStub(t, []Call{GatewayOfParkedOrder()})
	host, err := gateway.Start(t.Context(), cfg, platformtest.Telemetry(t))
	base := "http://" + running(t, host, err).Addr().String()
	answered, body := visit{method: http.MethodGet, path: "/api/v1/orders/" + GivenOrder}.make(t, base)
	if answered != http.StatusOK || !strings.Contains(body, `"status":"cancelling","reason":"inventory-unavailable","parked":true`) {
		t.Errorf("%d %s", answered, body)
	}
}
