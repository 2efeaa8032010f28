package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"

	"github.com/waybill-dev/waybill/demo-services/mesh/control"
	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/middleware"
)

// planeFlags are how a control plane that runs alone is asked for.
type planeFlags struct {
	listen, admin, data, hosts, registry string
	canary                               uint
}

// runMesh runs the mesh's control plane alone until the context ends.
func (c command) runMesh(ctx context.Context, args []string) error {
	f, p, err := c.meshFlags(args)
	if err != nil {
		return err
	}
	tel, err := middleware.Setup(ctx,
		middleware.WithServiceVersion(version()), middleware.WithLogWriter(c.stderr), middleware.WithGetenv(c.named("mesh")))
	if err != nil {
		return err
	}
	unsent := func(err error) { fmt.Fprintln(c.stderr, "demo: telemetry that was left could not be sent:", err) }
	var plane *control.Plane
	host, err := platform.Start(ctx, tel, func(h *platform.Host) error {
		var err error
		if plane, err = p.start(ctx, h, f.registry, c.env("INSTANCE_ID", "mesh-1")); err != nil {
			return err
		}
		return h.ServeAdmin(ctx, f.admin)
	})
	if err != nil {
		return errors.Join(err, shutDown(context.WithoutCancel(ctx), nil, tel, unsent))
	}
	if addr := host.AdminAddr(); addr != nil {
		f.admin = addr.String()
	}
	tel.Logger().InfoContext(ctx, "serving", "address", plane.Addr().String(), "admin", f.admin, "version", version(), "invitations", p.invitations)
	<-ctx.Done()
	return shutDown(context.WithoutCancel(ctx), host, tel, unsent)
}

// meshFlags reads what the control plane is to be, and opens its directory.
func (c command) meshFlags(args []string) (*planeFlags, *controlPlane, error) {
	f := &planeFlags{registry: c.env("REGISTRY_URL", c.env("NATS_URL", order.DefaultConfig().NATSURL))}
	canary, err := strconv.ParseUint(c.env("CANARY", "10"), 10, 32)
	if err != nil {
		return nil, nil, usageError{fmt.Errorf("CANARY=%q: want 0 to 100", c.env("CANARY", ""))}
	}
	lifetime := control.DefaultConfig().Lifetime
	if err := c.envDuration("MESH_LIFETIME", &lifetime); err != nil {
		return nil, nil, usageError{err}
	}
	flags := flag.NewFlagSet("demo mesh", flag.ContinueOnError)
	flags.StringVar(&f.listen, "listen", c.env("LISTEN", "127.0.0.1:9007"), "where the control plane listens, IP:port")
	flags.StringVar(&f.admin, "admin", c.env("ADMIN_LISTEN", "127.0.0.1:9107"), `where /healthz and /metrics are, or "off"`)
	flags.StringVar(&f.data, "data", c.env("DATA_DIR", "."), "the directory of the authority's key, and of members/NAME, by which services join")
	flags.StringVar(&f.hosts, "hosts", c.env("MESH_HOSTS", ""), "names and IPs by which services know it, the first of which they dial, with commas between (default the one that it listens on)")
	flags.UintVar(&f.canary, "canary", uint(canary), "how many of 100 payments go to payment's version v2")
	flags.DurationVar(&lifetime, "lifetime", lifetime, "how long certificates last; half of it is how long the control plane may be away")
	if err := c.parse(flags, args); err != nil {
		return nil, nil, err
	}
	if err := errors.Join(checkListen("--listen", f.listen), checkListen("--admin", f.admin)); err != nil {
		return nil, nil, usageError{err}
	}
	if f.canary > 100 {
		return nil, nil, usageError{fmt.Errorf("--canary %d: want 0 to 100", f.canary)}
	}
	p, err := newControlPlane(f.data, f.canary)
	if err != nil {
		return nil, nil, err
	}
	p.config.Listen, p.config.Lifetime = f.listen, lifetime
	if f.hosts != "" {
		p.config.Hosts = strings.Split(f.hosts, ",")
	}
	return f, p, nil
}
