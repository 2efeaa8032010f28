package user

import (
	"context"

	"google.golang.org/grpc"

	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/middleware"
)

// Config is the service's configuration.
type Config struct {
	platform.Config
	NATSURL string
}

// DefaultConfig is the service alone on one machine.
func DefaultConfig() Config {
	return Config{
		Config:  platform.Config{Listen: "127.0.0.1:9001", Admin: "127.0.0.1:9101", DataDir: "."},
		NATSURL: "nats://127.0.0.1:4222",
	}
}

// Start runs the service until its host is shut down. A new database gets the
// seed's users. It does not wait for the bus: its events go out when it is
// there.
func Start(ctx context.Context, cfg Config, tel *middleware.Telemetry) (*platform.Host, error) {
	return platform.Start(ctx, tel, func(h *platform.Host) error {
		if err := h.Join(cfg.Discovery); err != nil {
			return err
		}
		db, err := h.OpenDB(ctx, cfg.Source("user"), Migrations)
		if err != nil {
			return err
		}
		bus, err := h.ConnectBus(cfg.NATSURL)
		if err != nil {
			return err
		}
		outbox, err := h.RunOutbox(db, bus)
		if err != nil {
			return err
		}
		store := NewStore(db, outbox)
		if err := store.AddSeed(ctx, h.Telemetry().TracerProvider()); err != nil {
			return err
		}
		server, err := NewServer(ctx, store)
		if err != nil {
			return err
		}
		if err := h.ServeGRPC(ctx, cfg.Listen, func(r grpc.ServiceRegistrar) {
			userv1.RegisterUserServiceServer(r, server)
		}); err != nil {
			return err
		}
		return h.ServeAdmin(ctx, cfg.Admin)
	})
}
