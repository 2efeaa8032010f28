package order

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	paymentv1 "github.com/waybill-dev/waybill/demo-services/api/payment/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/middleware"
)

// Config is the service's configuration.
type Config struct {
	platform.Config
	// InventoryAddr and PaymentAddr are where those services are (see Host.Dial).
	InventoryAddr string
	PaymentAddr   string
	NATSURL       string
	Saga          SagaConfig
	// RecoverInterval is how often sagas that nobody drives are looked for.
	RecoverInterval time.Duration
}

// DefaultConfig is the service alone on one machine.
func DefaultConfig() Config {
	return Config{
		Config:          platform.Config{Listen: "127.0.0.1:9002", Admin: "127.0.0.1:9102", DataDir: "."},
		InventoryAddr:   "127.0.0.1:9003",
		PaymentAddr:     "127.0.0.1:9004",
		NATSURL:         "nats://127.0.0.1:4222",
		Saga:            DefaultSagaConfig(),
		RecoverInterval: time.Second,
	}
}

// Start runs the service until its host is shut down. It does not wait for the
// bus: orders are taken without it, and their events go out when it is there.
func Start(ctx context.Context, cfg Config, tel *middleware.Telemetry) (*platform.Host, error) {
	return platform.Start(ctx, tel, func(h *platform.Host) error {
		if err := h.Join(cfg.Discovery); err != nil {
			return err
		}
		db, err := h.OpenDB(ctx, cfg.Source("order"), Migrations)
		if err != nil {
			return err
		}
		bus, err := h.ConnectBus(cfg.NATSURL)
		if err != nil {
			return err
		}
		db.BeforeStatements(slowDatabase(cfg.Faults))
		outbox, err := h.RunOutbox(db, poisoned{bus, cfg.Faults})
		if err != nil {
			return err
		}
		store := NewStore(db, outbox)
		projector := NewProjector(db, h.Logger())
		store.appended = projector.Wake
		h.Go(projector.Run)
		h.Go(func(ctx context.Context) {
			consumer := platform.DefaultConsumer("order", platform.StreamUsers, platform.SubjectUserCreated)
			if err := bus.Consume(ctx, consumer, NewHistories(db).Handle); err != nil && ctx.Err() == nil {
				h.Logger().Error("user events are not consumed", "error", err)
			}
		})
		saga, err := newSaga(h, store, cfg)
		if err != nil {
			return err
		}
		h.Repeat(cfg.RecoverInterval, "recovery of sagas", saga.Recover)
		if err := h.ServeGRPC(ctx, cfg.Listen, func(r grpc.ServiceRegistrar) {
			orderv1.RegisterOrderServiceServer(r, NewServer(store, saga, projector))
		}); err != nil {
			return err
		}
		return h.ServeAdmin(ctx, cfg.Admin)
	})
}

func newSaga(h *platform.Host, store *Store, cfg Config) (*Saga, error) {
	inventory, err := h.Dial(cfg.InventoryAddr, "shop.inventory.v1.InventoryService")
	if err != nil {
		return nil, err
	}
	payment, err := h.Dial(cfg.PaymentAddr, "shop.payment.v1.PaymentService")
	if err != nil {
		return nil, err
	}
	counted := newMetrics()
	if err := counted.register(h.Telemetry().Registerer(), store.db); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return &Saga{
		store:      store,
		metrics:    counted,
		inventory:  inventoryv1.NewInventoryServiceClient(inventory),
		payment:    paymentv1.NewPaymentServiceClient(payment),
		tracer:     h.Telemetry().TracerProvider().Tracer("github.com/waybill-dev/waybill/demo-services/order"),
		propagator: h.Telemetry().Propagator(),
		logger:     h.Logger(),
		config:     cfg.Saga,
	}, nil
}
