package payment

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	paymentv1 "github.com/waybill-dev/waybill/demo-services/api/payment/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/middleware"
)

// Config is the service's configuration.
type Config struct {
	platform.Config
	// PSPURL is the base URL of the payment provider.
	PSPURL string
	// PSPTimeout bounds one request to the provider, its answer included.
	PSPTimeout time.Duration
	Breaker    BreakerConfig
	Inquiry    InquiryConfig
	NATSURL    string
}

// DefaultConfig is the service alone on one machine.
func DefaultConfig() Config {
	return Config{
		Config:     platform.Config{Listen: "127.0.0.1:9004", Admin: "127.0.0.1:9104", DataDir: "."},
		PSPURL:     "http://127.0.0.1:9006",
		PSPTimeout: 3 * time.Second,
		Breaker:    DefaultBreakerConfig(),
		Inquiry:    DefaultInquiryConfig(),
		NATSURL:    "nats://127.0.0.1:4222",
	}
}

// Start runs the service until its host is shut down. It does not wait for the
// bus: its events go out when it is there.
func Start(ctx context.Context, cfg Config, tel *middleware.Telemetry) (*platform.Host, error) {
	return platform.Start(ctx, tel, func(h *platform.Host) error {
		if err := h.Join(cfg.Discovery); err != nil {
			return err
		}
		db, err := h.OpenDB(ctx, cfg.Source("payment"), Migrations)
		if err != nil {
			return err
		}
		provider, err := NewProvider(cfg, h.Telemetry(), h.Logger())
		if err != nil {
			return err
		}
		h.OnClose(provider.Close)
		bus, err := h.ConnectBus(cfg.NATSURL)
		if err != nil {
			return err
		}
		outbox, err := h.RunOutbox(db, bus)
		if err != nil {
			return err
		}
		server := NewServer(NewStore(db, outbox), provider, h.Logger())
		inquiry := NewInquiry(server, cfg.Inquiry, h.Telemetry().TracerProvider())
		if err := inquiry.register(h.Telemetry().Registerer()); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
		h.Repeat(cfg.Inquiry.Interval, "inquiry for charges", inquiry.Sweep)
		if err := h.ServeGRPC(ctx, cfg.Listen, func(r grpc.ServiceRegistrar) {
			paymentv1.RegisterPaymentServiceServer(r, server)
		}); err != nil {
			return err
		}
		return h.ServeAdmin(ctx, cfg.Admin)
	})
}
