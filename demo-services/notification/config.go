package notification

import (
	"context"
	"fmt"

	"google.golang.org/grpc"

	notificationv1 "github.com/waybill-dev/waybill/demo-services/api/notification/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/middleware"
)

// Config is the service's configuration.
type Config struct {
	platform.Config
	NATSURL string
	// SMTP sends the mail. Without it, sending takes Delays.SendMail and goes nowhere.
	SMTP   SMTPConfig
	Delays platform.Delays
}

// DefaultConfig is the service alone on one machine.
func DefaultConfig() Config {
	return Config{
		Config:  platform.Config{Listen: "127.0.0.1:9005", Admin: "127.0.0.1:9105", DataDir: "."},
		NATSURL: "nats://127.0.0.1:4222",
		SMTP:    DefaultSMTPConfig(),
		Delays:  platform.DefaultDelays(),
	}
}

// Start runs the service until its host is shut down. It does not wait for the
// bus: events wait there until the service comes.
func Start(ctx context.Context, cfg Config, tel *middleware.Telemetry) (*platform.Host, error) {
	return platform.Start(ctx, tel, func(h *platform.Host) error {
		if err := h.Join(cfg.Discovery); err != nil {
			return err
		}
		db, err := h.OpenDB(ctx, cfg.Source("notification"), Migrations)
		if err != nil {
			return err
		}
		store := NewStore(db)
		mailer, err := cfg.mailer(store, h)
		if err != nil {
			return err
		}
		if err := mailer.metrics.register(h.Telemetry().Registerer(), db); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
		h.Go(mailer.Run)
		server := NewServer(store, mailer.Wake)
		bus, err := h.ConnectBus(cfg.NATSURL)
		if err != nil {
			return err
		}
		h.Go(func(ctx context.Context) {
			consumer := platform.DefaultConsumer("notification", platform.StreamOrders, platform.SubjectConfirmed, platform.SubjectCancelled)
			if err := bus.Consume(ctx, consumer, slowed(cfg, server.Handle)); err != nil && ctx.Err() == nil {
				h.Logger().Error("order events are not consumed", "error", err)
			}
		})
		if err := h.ServeGRPC(ctx, cfg.Listen, func(r grpc.ServiceRegistrar) {
			notificationv1.RegisterNotificationServiceServer(r, server)
		}); err != nil {
			return err
		}
		return h.ServeAdmin(ctx, cfg.Admin)
	})
}

// mailer sends by the mail server, if there is one.
func (c Config) mailer(store *Store, h *platform.Host) (*Mailer, error) {
	if c.SMTP.URL == "" {
		return newMailer(store, ownOutbox{c.Delays.SendMail}, h.Logger()), nil
	}
	relay, err := newSMTPRelay(c.SMTP, h.Telemetry().TracerProvider())
	if err != nil {
		return nil, err
	}
	return newMailer(store, relay, h.Logger()), nil
}
