package user_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
	"github.com/waybill-dev/waybill/demo-services/user"
)

// TestHistoriesOfTheSeedAreOpened starts a new shop, and waits until the order
// service knows each of the customers that it begins with, since when they came.
func TestHistoriesOfTheSeedAreOpened(t *testing.T) {
	const patience = 60 * time.Second
	broker, err := platform.StartBroker(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	running := func(host *platform.Host, err error) *platform.Host {
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = host.Shutdown(context.WithoutCancel(t.Context())) })
		return host
	}
	base := platform.Config{Listen: "127.0.0.1:0", Admin: platform.Off, DataDir: t.TempDir()}
	running(user.Start(t.Context(), user.Config{Config: base, NATSURL: broker.URL()}, platformtest.Telemetry(t)))
	cfg := order.DefaultConfig()
	cfg.Config, cfg.NATSURL = base, broker.URL()
	orders := running(order.Start(t.Context(), cfg, platformtest.Telemetry(t)))
	conn, err := grpc.NewClient(orders.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	client, deadline := orderv1.NewOrderServiceClient(conn), time.Now().Add(patience)
	for _, u := range user.Seed() {
		for {
			history, err := client.GetHistory(t.Context(), &orderv1.GetHistoryRequest{UserId: u.ID})
			if err == nil && history.GetOpenedAt().AsTime().Equal(u.CreatedAt) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s came at %v, and has the history %v, %v", u.ID, u.CreatedAt, history, err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}
