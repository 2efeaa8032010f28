package psp

import (
	"context"

	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/middleware"
)

// Config is the service's configuration.
type Config struct {
	platform.Config
	Delays platform.Delays
}

// DefaultConfig is the service alone on one machine.
func DefaultConfig() Config {
	return Config{
		Config: platform.Config{Listen: "127.0.0.1:9006", Admin: platform.Off, DataDir: "."},
		Delays: platform.DefaultDelays(),
	}
}

// Start runs the service until its host is shut down.
func Start(ctx context.Context, cfg Config, tel *middleware.Telemetry) (*platform.Host, error) {
	return platform.Start(ctx, tel, func(h *platform.Host) error {
		db, err := h.OpenDB(ctx, cfg.Source("psp"), Migrations)
		if err != nil {
			return err
		}
		server := NewServer(NewStore(db), cfg.Delays, h.Logger())
		server.faults = cfg.Faults
		if err := h.ServeHTTP(ctx, cfg.Listen, server.Handler()); err != nil {
			return err
		}
		return h.ServeAdmin(ctx, cfg.Admin)
	})
}
