package platform

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/waybill-dev/waybill/demo-services/mesh"
	"github.com/waybill-dev/waybill/demo-services/registry"
)

// joinTime is how long a service waits for the mesh's control plane: without a
// certificate it could neither call nor be called.
const joinTime = 30 * time.Second

// joinMesh makes the service a member until the host has shut down.
func (h *Host) joinMesh(d Discovery) error {
	if d.Mesh == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(h.work, joinTime)
	defer cancel()
	member, err := mesh.Join(ctx, *d.Mesh, d.Service, d.Instance, h.logger)
	if err != nil {
		return err
	}
	h.OnClose(member.Close)
	for _, metric := range member.Collectors() {
		if err := h.telemetry.Registerer().Register(metric); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	h.member = member
	return nil
}

// secured lets only members of the mesh connect, and only those calls through
// that the policy allows, if the service is in the mesh.
func (h *Host) secured() []grpc.ServerOption {
	if h.member == nil {
		return nil
	}
	return append(h.member.ServerOptions(),
		grpc.ChainUnaryInterceptor(h.member.UnaryGuard), grpc.ChainStreamInterceptor(h.member.StreamGuard))
}

// Directory is what the registry knows; nil unless the host has joined one.
func (h *Host) Directory() *registry.Directory { return h.directory }
