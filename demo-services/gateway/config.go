package gateway

import (
	"context"
	"time"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/middleware"
)

// Config is the service's configuration. It has no database.
type Config struct {
	platform.Config
	// UserAddr, OrderAddr and InventoryAddr are where those services are (see
	// Host.Dial).
	UserAddr      string
	OrderAddr     string
	InventoryAddr string
	Limits        Limits
}

// DefaultConfig is the service alone on one machine.
func DefaultConfig() Config {
	return Config{
		Config:        platform.Config{Listen: "127.0.0.1:8080", Admin: platform.Off},
		UserAddr:      "127.0.0.1:9001",
		OrderAddr:     "127.0.0.1:9002",
		InventoryAddr: "127.0.0.1:9003",
		Limits:        Limits{Timeout: 5 * time.Second, Client: Limit{Rate: 2000, Burst: 4000}},
	}
}

// Start runs the service until its host is shut down.
func Start(ctx context.Context, cfg Config, tel *middleware.Telemetry) (*platform.Host, error) {
	return platform.Start(ctx, tel, func(h *platform.Host) error {
		if err := h.Join(cfg.Discovery); err != nil {
			return err
		}
		users, err := h.Dial(cfg.UserAddr,
			"shop.user.v1.UserService/ValidateUser", "shop.user.v1.UserService/GetUser", "shop.user.v1.UserService/ListUsers",
			"shop.user.v1.UserService/SignIn", "shop.user.v1.UserService/SigningKeys")
		if err != nil {
			return err
		}
		orders, err := h.Dial(cfg.OrderAddr, "shop.order.v1.OrderService/GetOrder", "shop.order.v1.OrderService/ListOrders")
		if err != nil {
			return err
		}
		items, err := h.Dial(cfg.InventoryAddr, "shop.inventory.v1.InventoryService/ListItems", "shop.inventory.v1.InventoryService/GetItem")
		if err != nil {
			return err
		}
		server := NewServer(userv1.NewUserServiceClient(users), orderv1.NewOrderServiceClient(orders),
			inventoryv1.NewInventoryServiceClient(items), cfg.Limits, h.Logger())
		if err := h.ServeHTTP(ctx, cfg.Listen, server.Handler()); err != nil {
			return err
		}
		return h.ServeAdmin(ctx, cfg.Admin)
	})
}
