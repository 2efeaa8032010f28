package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/waybill-dev/waybill/demo-services/mesh"
	"github.com/waybill-dev/waybill/demo-services/mesh/control"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// meshed is the mesh that the shop runs in; nil is none.
type meshed struct {
	address, caFile string
	policy          mesh.Policy
	tokens          map[string]string // by service
}

// member is how a service becomes one.
func (m *meshed) member(service string) *mesh.Config {
	if m == nil {
		return nil
	}
	return &mesh.Config{Address: m.address, CAFile: m.caFile, Token: m.tokens[service], Policy: m.policy}
}

// target is where others look for a service that is registered.
func (m *meshed) target(service string) string {
	if m == nil {
		return target(service)
	}
	return mesh.Scheme + ":///" + service
}

// version is that of an instance. In the mesh payment has two, for the canary,
// which are the same program.
func (m *meshed) version(service string, n int) string {
	if m == nil || service != "payment" {
		return version()
	}
	return fmt.Sprintf("v%d", n)
}

// routes are those of the shop. Canary is how many of 100 calls to payment go
// to its second version.
func routes(canary uint) []control.Route {
	return []control.Route{
		{Service: "user"},
		{Service: "order"},
		{Service: "notification"},
		{Service: "inventory", Idempotent: []string{"shop.inventory.v1.InventoryService"}},
		{
			Service: "payment", Idempotent: []string{"shop.payment.v1.PaymentService"},
			Split: map[string]uint32{"v1": uint32(100 - canary), "v2": uint32(canary)},
		},
	}
}

// startMesh starts the control plane of a shop in a mesh. The authority's key is
// kept with the data.
func (w *whole) startMesh(ctx context.Context, endpoint, nats string) error {
	if !w.inMesh {
		return nil
	}
	dir := filepath.Join(w.data, "mesh")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create data directory: %w", err)
	}
	authority, err := control.OpenAuthority(dir)
	if err != nil {
		return err
	}
	w.mesh = &meshed{caFile: authority.CAFile(), tokens: map[string]string{}}
	if w.mesh.policy, err = mesh.ShopPolicy(); err != nil {
		return err
	}
	for _, s := range services() {
		w.mesh.tokens[s.name] = control.NewToken()
	}
	config := control.DefaultConfig()
	config.Routes, config.Tokens = routes(w.canary), w.mesh.tokens
	i := &instance{name: "mesh", start: func(ctx context.Context) (*platform.Host, func(context.Context, *platform.Host) error, error) {
		tel, err := w.telemetry(ctx, "mesh", "mesh-1", version(), endpoint)
		if err != nil {
			return nil, func(context.Context, *platform.Host) error { return nil }, err
		}
		host, err := platform.Start(ctx, tel, func(h *platform.Host) error { return w.runMesh(ctx, h, nats, authority, config) })
		return host, w.ending("mesh-1", tel), err
	}}
	w.started("mesh", i.stop)
	return i.run(ctx)
}

// runMesh has the host be the control plane.
func (w *whole) runMesh(ctx context.Context, h *platform.Host, nats string, authority *control.Authority, config control.Config) error {
	if err := h.Join(platform.Discovery{URL: nats, Service: "mesh", Instance: "mesh-1"}); err != nil {
		return err
	}
	plane, err := control.Start(ctx, config, authority, h.Directory(), h.Logger())
	if err != nil {
		return err
	}
	h.OnClose(func() error { plane.Close(); return nil })
	w.mesh.address = plane.Addr().String()
	for _, metric := range plane.Collectors() {
		if err := h.Telemetry().Registerer().Register(metric); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}
