package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/waybill-dev/waybill/demo-services/mesh"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// errNoRegistry is a mesh without what it finds services in.
var errNoRegistry = errors.New("MESH_DIR wants REGISTRY_URL, too: the mesh finds services in the registry")

// inMesh says whether a service that runs alone is to join a mesh.
func (c command) inMesh() bool { return c.env("MESH_DIR", "") != "" }

// join makes who runs alone a member of the mesh: MESH_DIR is the invitation,
// MESH_ADDR where the control plane is unless it is where the invitation says.
// Without an invitation there is no member. It waits for the control plane as
// long as the context lasts.
func (c command) join(ctx context.Context, dir, service, instance string, logger *slog.Logger) (*mesh.Member, error) {
	if dir == "" {
		return nil, nil
	}
	config, err := mesh.AwaitInvitation(ctx, dir, logger)
	if err != nil {
		return nil, err
	}
	config.Address = c.env("MESH_ADDR", config.Address)
	if config.Policy, err = mesh.ShopPolicy(); err != nil {
		return nil, err
	}
	return mesh.Join(ctx, config, service, instance, logger)
}

// leave ends a member's part, if there is one.
func leave(member *mesh.Member) error {
	if member == nil {
		return nil
	}
	return member.Close()
}

// discover is how a service that runs alone is found and finds others, in the
// registry and the mesh if it is in them.
func (c command) discover(ctx context.Context, s service, listen string, logger *slog.Logger) (platform.Discovery, error) {
	d, err := c.discovery(s.name, listen)
	if err != nil || s.instances == 0 { // who is outside the registry is outside the mesh
		return d, err
	}
	d.Mesh, err = c.join(ctx, c.env("MESH_DIR", ""), s.name, d.Instance, logger)
	return d, err
}
