package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/waybill-dev/waybill/demo-services/fault"
	"github.com/waybill-dev/waybill/demo-services/gateway"
	"github.com/waybill-dev/waybill/demo-services/inventory"
	"github.com/waybill-dev/waybill/demo-services/notification"
	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/payment"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/psp"
	"github.com/waybill-dev/waybill/demo-services/user"
	"github.com/waybill-dev/waybill/middleware"
)

// addresses are where the services find one another.
type addresses struct {
	user, order, inventory, payment string // host:port
	psp, nats                       string // URLs
	tuning
}

// service is one of the shop's.
type service struct {
	name     string
	defaults platform.Config
	start    func(context.Context, platform.Config, addresses, *middleware.Telemetry) (*platform.Host, error)
	// found puts where the service is where others look: host:port, or a target
	// in the registry.
	found func(a *addresses, where string)
	// instances is how many the whole demo runs; 0 is a service that is outside
	// the registry, one of it.
	instances int
}

// services are all of them, each after those that it calls.
func services() []service {
	return []service{
		{"psp", psp.DefaultConfig().Config, startPSP, func(a *addresses, at string) { a.psp = "http://" + at }, 0},
		{"notification", notification.DefaultConfig().Config, startNotification, func(*addresses, string) {}, 1},
		{"payment", payment.DefaultConfig().Config, startPayment, func(a *addresses, at string) { a.payment = at }, 2},
		{"inventory", inventory.DefaultConfig().Config, startInventory, func(a *addresses, at string) { a.inventory = at }, 2},
		{"order", order.DefaultConfig().Config, startOrder, func(a *addresses, at string) { a.order = at }, 1},
		{"user", user.DefaultConfig().Config, startUser, func(a *addresses, at string) { a.user = at }, 1},
		{"gateway", gateway.DefaultConfig().Config, startGateway, func(*addresses, string) {}, 1},
	}
}

func startPSP(ctx context.Context, base platform.Config, _ addresses, tel *middleware.Telemetry) (*platform.Host, error) {
	cfg := psp.DefaultConfig()
	cfg.Config = base
	return psp.Start(ctx, cfg, tel)
}

func startPayment(ctx context.Context, base platform.Config, at addresses, tel *middleware.Telemetry) (*platform.Host, error) {
	cfg := payment.DefaultConfig()
	cfg.Config, cfg.PSPURL, cfg.NATSURL = base, at.psp, at.nats
	cfg.PSPTimeout, cfg.Breaker = at.pspTimeout, at.breaker
	return payment.Start(ctx, cfg, tel)
}

func startInventory(ctx context.Context, base platform.Config, at addresses, tel *middleware.Telemetry) (*platform.Host, error) {
	cfg := inventory.DefaultConfig()
	cfg.Config, cfg.NATSURL, cfg.ReservationTTL = base, at.nats, at.reservationTTL
	return inventory.Start(ctx, cfg, tel)
}

func startUser(ctx context.Context, base platform.Config, at addresses, tel *middleware.Telemetry) (*platform.Host, error) {
	cfg := user.DefaultConfig()
	cfg.Config, cfg.NATSURL = base, at.nats
	return user.Start(ctx, cfg, tel)
}

func startNotification(ctx context.Context, base platform.Config, at addresses, tel *middleware.Telemetry) (*platform.Host, error) {
	cfg := notification.DefaultConfig()
	cfg.Config, cfg.NATSURL, cfg.SMTP = base, at.nats, at.mail
	return notification.Start(ctx, cfg, tel)
}

func startOrder(ctx context.Context, base platform.Config, at addresses, tel *middleware.Telemetry) (*platform.Host, error) {
	cfg := order.DefaultConfig()
	cfg.Config, cfg.InventoryAddr, cfg.PaymentAddr, cfg.NATSURL = base, at.inventory, at.payment, at.nats
	cfg.Saga = at.saga
	return order.Start(ctx, cfg, tel)
}

func startGateway(ctx context.Context, base platform.Config, at addresses, tel *middleware.Telemetry) (*platform.Host, error) {
	cfg := gateway.DefaultConfig()
	cfg.Config, cfg.UserAddr, cfg.OrderAddr, cfg.InventoryAddr = base, at.user, at.order, at.inventory
	cfg.Limits.SignIn, cfg.Limits.Timeout = at.signIn, at.requestTimeout
	return gateway.Start(ctx, cfg, tel)
}

// runService runs one service until the context ends.
func (c command) runService(ctx context.Context, s service, args []string) error {
	cfg := s.defaults
	flags := flag.NewFlagSet("demo "+s.name, flag.ContinueOnError)
	flags.StringVar(&cfg.Listen, "listen", c.env("LISTEN", cfg.Listen), "where the service listens")
	flags.StringVar(&cfg.Admin, "admin", c.env("ADMIN_LISTEN", cfg.Admin), `where /healthz and /metrics are, or "off"`)
	flags.StringVar(&cfg.DataDir, "data", c.env("DATA_DIR", cfg.DataDir), "the directory of the service's database")
	faults := flags.String("faults", c.env("FAULTS_FILE", ""), "the `file` of flags that says what goes wrong; without it nothing does")
	if err := c.parse(flags, args); err != nil {
		return err
	}
	// It may hold a password, which help and the list of processes would show.
	cfg.Database = c.env("DATABASE_URL", "")
	if err := errors.Join(checkListen("--listen", cfg.Listen), checkListen("--admin", cfg.Admin)); err != nil {
		return usageError{err}
	}
	at, err := c.addresses()
	if err != nil {
		return usageError{err}
	}
	if cfg.DataDir != "" && cfg.Database == "" {
		if err := os.MkdirAll(cfg.DataDir, 0o750); err != nil {
			return fmt.Errorf("create data directory: %w", err)
		}
	}
	tel, err := middleware.Setup(ctx,
		middleware.WithServiceVersion(c.instanceVersion()), middleware.WithLogWriter(c.stderr), middleware.WithGetenv(c.named(s.name)))
	if err != nil {
		return err
	}
	unsent := func(err error) { fmt.Fprintln(c.stderr, "demo: telemetry that was left could not be sent:", err) }
	end := func(host *platform.Host, err error) error {
		return errors.Join(err, shutDown(context.WithoutCancel(ctx), host, tel, unsent), leave(cfg.Discovery.Mesh))
	}
	if *faults != "" {
		if cfg.Faults, err = fault.Open(*faults, tel.Logger()); err != nil {
			return end(nil, err)
		}
	}
	if cfg.Discovery, err = c.discover(ctx, s, cfg.Listen, tel.Logger()); err != nil {
		if ctx.Err() != nil {
			err = nil // It was stopped while it waited for the mesh.
		}
		return end(nil, err)
	}
	host, err := s.start(ctx, cfg, at, tel)
	if err != nil {
		return end(nil, err)
	}
	admin := cfg.Admin
	if addr := host.AdminAddr(); addr != nil {
		admin = addr.String()
	}
	tel.Logger().InfoContext(ctx, "serving", "address", host.Addr().String(), "admin", admin, "version", c.instanceVersion())
	<-ctx.Done()
	return end(host, nil)
}

// checkListen says whether an address can be listened on at all.
func checkListen(flag, address string) error {
	if address == platform.Off && flag == "--admin" {
		return nil
	}
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		return fmt.Errorf("%s %q: want host:port", flag, address)
	}
	return nil
}

// drainTime is how long the requests that a service is at may go on when it is
// to stop, and flushTime how long its telemetry may then take to be sent.
const (
	drainTime = time.Second
	flushTime = 2 * time.Second
)

// shutDown stops a service, if it has started, and sends what it has recorded,
// in as little time as the context leaves. That there is nobody to send it to is
// no failure of the service: unsent is told.
func shutDown(ctx context.Context, host *platform.Host, tel *middleware.Telemetry, unsent func(error)) (err error) {
	if host != nil {
		draining, cancel := context.WithTimeout(ctx, drainTime)
		defer cancel()
		err = host.Shutdown(draining)
	}
	flushing, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	if lost := tel.Shutdown(flushing); lost != nil {
		unsent(lost)
	}
	return err
}

// named is the environment with a service's name in it, unless it has one.
func (c command) named(service string) func(string) (string, bool) {
	attributes, _ := c.getenv("OTEL_RESOURCE_ATTRIBUTES")
	return func(name string) (string, bool) {
		value, set := c.getenv(name)
		if name == "OTEL_SERVICE_NAME" && value == "" && !strings.Contains(attributes, "service.name=") {
			return service, true
		}
		return value, set
	}
}

// addresses reads where a service that runs alone finds the others, and how
// patient it is.
func (c command) addresses() (addresses, error) {
	tuned, err := c.tuned()
	if c.inMesh() && c.env("REGISTRY_URL", "") == "" {
		err = errors.Join(err, errNoRegistry)
	}
	// Who has a registry needs no addresses.
	at := func(variable, service, fallback string) string {
		switch {
		case c.inMesh():
			fallback = meshTarget(service)
		case c.env("REGISTRY_URL", "") != "":
			fallback = target(service)
		}
		return c.env(variable, fallback)
	}
	return addresses{
		user:      at("USER_ADDR", "user", gateway.DefaultConfig().UserAddr),
		order:     at("ORDER_ADDR", "order", gateway.DefaultConfig().OrderAddr),
		inventory: at("INVENTORY_ADDR", "inventory", order.DefaultConfig().InventoryAddr),
		payment:   at("PAYMENT_ADDR", "payment", order.DefaultConfig().PaymentAddr),
		psp:       c.env("PSP_URL", payment.DefaultConfig().PSPURL),
		nats:      c.env("NATS_URL", order.DefaultConfig().NATSURL),
		tuning:    tuned,
	}, err
}
