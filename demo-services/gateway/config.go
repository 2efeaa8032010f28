package gateway

import (
	"context"
	"time"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/middleware"
)

// Config is the service's configuration. It has no database.
type Config struct {
	platform.Config
	// UserAddr and OrderAddr are where those services are (see Host.Dial).
	UserAddr  string
	OrderAddr string
	Limits    Limits
}

// DefaultConfig is the service alone on one machine.
func DefaultConfig() Config {
	return Config{
		Config:    platform.Config{Listen: "127.0.0.1:8080", Admin: platform.Off},
		UserAddr:  "127.0.0.1:9001",
		OrderAddr: "127.0.0.1:9002",
		Limits:    Limits{Timeout: 5 * time.Second, Client: Limit{Rate: 500, Burst: 1000}},
	}
}

// Start runs the service until its host is shut down.
func Start(ctx context.Context, cfg Config, tel *middleware.Telemetry) (*platform.Host, error) {
	return platform.Start(ctx, tel, func(h *platform.Host) error {
		if err := h.Join(cfg.Discovery); err != nil {
			return err
		}
		users, err := h.Dial(cfg.UserAddr)
		if err != nil {
			return err
		}
		orders, err := h.Dial(cfg.OrderAddr)
		if err != nil {
			return err
		}
		server := NewServer(userv1.NewUserServiceClient(users), orderv1.NewOrderServiceClient(orders), cfg.Limits, h.Logger())
		if err := h.ServeHTTP(ctx, cfg.Listen, server.Handler()); err != nil {
			return err
		}
		return h.ServeAdmin(ctx, cfg.Admin)
	})
}
