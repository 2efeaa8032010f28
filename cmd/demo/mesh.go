package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/waybill-dev/waybill/demo-services/mesh"
	"github.com/waybill-dev/waybill/demo-services/mesh/control"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// meshed is the mesh that the shop runs in; nil is none.
type meshed struct {
	invitations string
	// caFile is the authority's, for all: gRPC watches each such file for ever.
	caFile string
}

// joinTime is how long an instance of the whole demo waits for the control
// plane, which is there.
const joinTime = 30 * time.Second

// join makes an instance a member; without a mesh there is none.
func (m *meshed) join(ctx context.Context, service, instance string, logger *slog.Logger) (*mesh.Member, error) {
	if m == nil {
		return nil, nil
	}
	config, err := mesh.ReadInvitation(filepath.Join(m.invitations, service))
	if err != nil {
		return nil, err
	}
	config.CAFile = m.caFile
	if config.Policy, err = mesh.ShopPolicy(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	return mesh.Join(ctx, config, service, instance, logger)
}

// target is where others look for a service that is registered.
func (m *meshed) target(service string) string {
	if m == nil {
		return target(service)
	}
	return meshTarget(service)
}

// meshTarget is a service's in the mesh.
func meshTarget(service string) string { return mesh.Scheme + ":///" + service }

// version is that of an instance. In the mesh payment has two, for the canary,
// which are the same program.
func (m *meshed) version(service string, n int) string {
	if m == nil || service != "payment" {
		return version()
	}
	return fmt.Sprintf("v%d", n)
}

// routes are those of the shop. Canary is how many of 100 calls to payment go
// to its second version. Beside a sidecar a service listens where it does by
// default, and looks for others where they do.
func routes(canary uint) []control.Route {
	return []control.Route{
		{Service: "gateway", Port: 8080, HTTP: true},
		{Service: "user", Port: 9001},
		{Service: "order", Port: 9002},
		{Service: "inventory", Port: 9003, Idempotent: []string{"shop.inventory.v1.InventoryService"}},
		{
			Service: "payment", Port: 9004, Idempotent: []string{"shop.payment.v1.PaymentService"},
			Split: map[string]uint32{"v1": uint32(100 - canary), "v2": uint32(canary)},
		},
		{Service: "notification", Port: 9005},
	}
}

// Members of the mesh that are no service: who runs the shop, and the proxy that
// is the way in.
const (
	operator = "operator"
	ingress  = "ingress"
)

// invited are all that can join.
func invited() []string {
	names := []string{operator, ingress}
	for _, s := range services() {
		if s.instances > 0 {
			names = append(names, s.name)
		}
	}
	return names
}

// controlPlane is what a control plane keeps in its directory: the authority,
// and the invitations.
type controlPlane struct {
	authority   *control.Authority
	invitations string
	config      control.Config
}

// newControlPlane makes the directory, or reads what is there.
func newControlPlane(dir string, canary uint) (*controlPlane, error) {
	p := &controlPlane{invitations: filepath.Join(dir, "members"), config: control.DefaultConfig()}
	if err := os.MkdirAll(p.invitations, 0o750); err != nil {
		return nil, fmt.Errorf("create data directory: %w", err)
	}
	var err error
	if p.authority, err = control.OpenAuthority(dir); err != nil {
		return nil, err
	}
	p.config.Routes = routes(canary)
	if p.config.Policy, err = mesh.ShopPolicy(); err != nil {
		return nil, err
	}
	p.config.Tokens, err = control.OpenTokens(p.invitations, invited())
	return p, err
}

// start has the host be the control plane, of the services in the registry.
func (p *controlPlane) start(ctx context.Context, h *platform.Host, registry, instance string) (*control.Plane, error) {
	if err := h.Join(platform.Discovery{URL: registry, Service: "mesh", Instance: instance}); err != nil {
		return nil, err
	}
	plane, err := control.Start(ctx, p.config, p.authority, h.Directory(), h.Logger())
	if err != nil {
		return nil, err
	}
	h.OnClose(func() error { plane.Close(); return nil })
	for _, metric := range plane.Collectors() {
		if err := h.Telemetry().Registerer().Register(metric); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return plane, plane.Invite(p.invitations)
}

// startMesh starts the control plane of a shop in a mesh. The authority's key is
// kept with the data.
func (w *whole) startMesh(ctx context.Context, endpoint, nats string) error {
	if !w.inMesh {
		return nil
	}
	p, err := newControlPlane(filepath.Join(w.data, "mesh"), w.canary)
	if err != nil {
		return err
	}
	w.mesh = &meshed{invitations: p.invitations, caFile: p.authority.CAFile()}
	i := &instance{name: "mesh", start: func(ctx context.Context) (*platform.Host, func(context.Context, *platform.Host) error, error) {
		tel, err := w.telemetry(ctx, "mesh", "mesh-1", version(), endpoint)
		if err != nil {
			return nil, func(context.Context, *platform.Host) error { return nil }, err
		}
		host, err := platform.Start(ctx, tel, func(h *platform.Host) error {
			_, err := p.start(ctx, h, nats, "mesh-1")
			return err
		})
		return host, w.ending("mesh-1", tel, nil), err
	}}
	w.started("mesh", i.stop)
	w.place("mesh", filepath.Join(p.invitations, operator))
	return i.run(ctx)
}
