package platform

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc"

	"github.com/waybill-dev/waybill/demo-services/mesh"
	"github.com/waybill-dev/waybill/demo-services/registry"
	"github.com/waybill-dev/waybill/middleware/client/grpcclient"
)

// Discovery is how a service is found, and finds others. The zero value is
// neither: the addresses of others are host:port.
type Discovery struct {
	// URL is the NATS server that has the registry; empty is none.
	URL string
	// Service and Instance are what the service registers as.
	Service, Instance string
	// Version is that of the program.
	Version string
	// Advertise is the host:port at which others reach the service; empty is
	// where it listens.
	Advertise string
	// Mesh is the service as a member of the mesh; nil is outside it. Whoever has
	// joined closes it, once the host has shut down.
	Mesh *mesh.Member
}

// errKilled ends a host as if its process had been killed.
var errKilled = errors.New("the host is killed")

// Join finds other services in the registry from now on, and registers this one
// as soon as it listens. It does not wait for the registry.
func (h *Host) Join(d Discovery) error {
	if d.URL == "" {
		return nil
	}
	conn, err := nats.Connect(d.URL, nats.Name(d.Instance),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(500*time.Millisecond))
	if err != nil {
		return fmt.Errorf("connect to registry %s: %w", d.URL, err)
	}
	h.OnClose(func() error { conn.Close(); return nil })
	js, err := jetstream.New(conn)
	if err != nil {
		return fmt.Errorf("open registry: %w", err)
	}
	h.discovery = d
	h.registry = registry.New(js, registry.DefaultConfig(), h.logger)
	h.directory = h.registry.Directory()
	if err := h.telemetry.Registerer().Register(h.directory.Collector()); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	h.Go(h.directory.Follow)
	return h.joinMesh(d.Mesh)
}

// enroll registers the service at the address of its listener until leave, or
// until the host is killed, which leaves the entry to expire.
func (h *Host) enroll(listening net.Addr) {
	if h.registry == nil {
		return
	}
	address := h.discovery.Advertise
	if address == "" {
		address = listening.String()
	}
	instance := registry.Instance{Service: h.discovery.Service, ID: h.discovery.Instance, Address: address, Version: h.discovery.Version}
	ctx, cancel := context.WithCancelCause(h.work)
	done := make(chan struct{})
	h.wg.Go(func() {
		defer close(done)
		if err := h.registry.Keep(ctx, instance, func(ctx context.Context) error { return h.ready(ctx) }); err != nil {
			h.logger.Error("the service can't be registered", "error", err)
		}
	})
	h.leave = func(cause error) {
		cancel(cause)
		<-done
	}
}

// targeted makes a target of an address: one with a scheme is one already.
func (h *Host) targeted(address string, idempotent []string) ([]grpc.DialOption, error) {
	if service, meshed := strings.CutPrefix(address, mesh.Scheme+":///"); meshed {
		if h.member == nil {
			return nil, fmt.Errorf("dial %s: the service is not in the mesh", address)
		}
		options, err := h.member.DialOptions(service)
		return append(options, grpc.WithStatsHandler(h.directory.StatsHandler())), err
	}
	if !strings.HasPrefix(address, registry.Scheme+":") {
		return nil, nil
	}
	if h.directory == nil {
		return nil, fmt.Errorf("dial %s: the service has no registry", address)
	}
	config := grpcclient.DefaultConfig(idempotent...)
	config.Timeout = 0 // callers have deadlines of their own
	// A service that can't do without another answers UNAVAILABLE, too. The
	// breaker is where the trouble is: payment's, before psp.
	config.Breaker = grpcclient.Breaker{}
	options, err := config.DialOptions()
	return append(options, h.directory.DialOptions()...), err
}

// Kill ends the host as if its process had been killed: nobody is waited for,
// calls are cut off, and its entry in the registry stays until it expires.
func (h *Host) Kill() error {
	if h.leave != nil {
		h.leave(errKilled)
		h.leave = nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return h.Shutdown(ctx)
}
