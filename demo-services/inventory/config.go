package inventory

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/middleware"
)

// Config is the service's configuration.
type Config struct {
	platform.Config
	// RestockInterval is how often a delivery arrives (see Store.Restock), so
	// that a demo can run for days.
	RestockInterval time.Duration
}

// DefaultConfig is the service alone on one machine.
func DefaultConfig() Config {
	return Config{
		Config:          platform.Config{Listen: "127.0.0.1:9003", Admin: "127.0.0.1:9103", DataDir: "."},
		RestockInterval: 10 * time.Second,
	}
}

// Start runs the service until its host is shut down. A new database gets the
// catalogue's items.
func Start(ctx context.Context, cfg Config, tel *middleware.Telemetry) (*platform.Host, error) {
	return platform.Start(ctx, tel, func(h *platform.Host) error {
		db, err := h.OpenDB(ctx, cfg.DataDir, "inventory", Migrations)
		if err != nil {
			return err
		}
		store := NewStore(db)
		if err := store.AddItems(ctx, Catalogue()); err != nil {
			return err
		}
		h.Go(func(ctx context.Context) { restock(ctx, store, cfg.RestockInterval, h.Logger()) })
		if err := h.ServeGRPC(ctx, cfg.Listen, func(r grpc.ServiceRegistrar) {
			inventoryv1.RegisterInventoryServiceServer(r, NewServer(store, h.Logger()))
		}); err != nil {
			return err
		}
		return h.ServeAdmin(ctx, cfg.Admin)
	})
}

func restock(ctx context.Context, store *Store, every time.Duration, logger *slog.Logger) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := store.Restock(ctx); err != nil && ctx.Err() == nil {
				logger.Error("restock failed", "error", err)
			}
		}
	}
}
