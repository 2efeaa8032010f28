package platform

import (
	"fmt"

	"google.golang.org/grpc"

	"github.com/waybill-dev/waybill/demo-services/mesh"
	"github.com/waybill-dev/waybill/demo-services/registry"
)

// joinMesh has the service call and be called as the member, which is nil
// outside the mesh.
func (h *Host) joinMesh(member *mesh.Member) error {
	if member == nil {
		return nil
	}
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
