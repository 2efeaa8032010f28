package inventory

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/middleware"
)

// Config is the service's configuration.
type Config struct {
	platform.Config
	// RestockInterval is how often a delivery arrives (see Delivery), so that a
	// demo can run for days.
	RestockInterval time.Duration
	NATSURL         string
	// ReservationTTL is how long stock stays set aside for an order that does
	// not confirm it, and ExpiryInterval how often that is looked for.
	ReservationTTL time.Duration
	ExpiryInterval time.Duration
}

// DefaultConfig is the service alone on one machine.
func DefaultConfig() Config {
	return Config{
		Config:          platform.Config{Listen: "127.0.0.1:9003", Admin: "127.0.0.1:9103", DataDir: "."},
		RestockInterval: 10 * time.Second,
		NATSURL:         "nats://127.0.0.1:4222",
		ReservationTTL:  5 * time.Minute,
		ExpiryInterval:  time.Second,
	}
}

// Start runs the service until its host is shut down. A new database gets the
// catalogue's items. It does not wait for the bus: its events go out when it is
// there.
func Start(ctx context.Context, cfg Config, tel *middleware.Telemetry) (*platform.Host, error) {
	return platform.Start(ctx, tel, func(h *platform.Host) error {
		if err := h.Join(cfg.Discovery); err != nil {
			return err
		}
		db, err := h.OpenDB(ctx, cfg.Source("inventory"), Migrations)
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
		store := NewStore(db, outbox, cfg.ReservationTTL)
		if err := store.AddItems(ctx, Catalogue()); err != nil {
			return err
		}
		expiry := NewExpiry(store, h.Telemetry().TracerProvider(), h.Logger())
		if err := expiry.register(h.Telemetry().Registerer()); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
		h.Repeat(cfg.ExpiryInterval, "expiry of reservations", expiry.Sweep)
		h.Go(NewDelivery(store, cfg.RestockInterval, h.Logger()).Run)
		if err := h.ServeGRPC(ctx, cfg.Listen, func(r grpc.ServiceRegistrar) {
			server := NewServer(store, h.Logger())
			server.faults = cfg.Faults
			inventoryv1.RegisterInventoryServiceServer(r, server)
		}, cutOff(cfg.Faults)); err != nil {
			return err
		}
		return h.ServeAdmin(ctx, cfg.Admin)
	})
}
