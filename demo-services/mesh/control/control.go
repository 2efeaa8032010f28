// Package control is the mesh's control plane. It tells gRPC's clients by xDS
// where the services are, out of the registry and as soon as the registry
// knows; it configures Envoy, where it stands before a service or is the way
// into the mesh; and it is the authority that gives services their certificates, by the
// SPIFFE Workload API, to who shows the service's token.
//
// It may end and start again at any time: members go on with what they know,
// and with their certificates until those end.
package control

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	serverv3 "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/waybill-dev/waybill/demo-services/mesh"
	"github.com/waybill-dev/waybill/demo-services/registry"
)

// Config is the control plane's.
type Config struct {
	// Listen is an IP:port.
	Listen string
	// Hosts are the names and addresses by which members know the control plane;
	// its certificate is for them, and invitations name the first. None is the IP
	// of Listen, which is to be one that others can dial.
	Hosts []string
	// Routes are of all services that are called.
	Routes []Route
	// Tokens are what services prove themselves by, by service. They are secrets.
	Tokens map[string]string
	// Policy is what sidecars enforce. Services without one have it themselves.
	Policy mesh.Policy
	// Lifetime is that of the certificates, at least 4 s. Half of it is how long
	// the control plane may be away.
	Lifetime time.Duration
}

// DefaultConfig has certificates of an hour, and no services.
func DefaultConfig() Config { return Config{Listen: "127.0.0.1:0", Lifetime: time.Hour} }

// leastPing is how often clients may look whether the control plane is there:
// who does so more often is cut off.
const leastPing = 10 * time.Second

// NewToken makes a token that nobody can guess.
func NewToken() string { return rand.Text() }

func (c Config) validate() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if ip := net.ParseIP(host); err != nil || ip == nil || ip.IsUnspecified() && len(c.Hosts) == 0 {
		return fmt.Errorf("the address %q: want IP:port, of one IP unless there are hosts", c.Listen)
	}
	for _, host := range c.Hosts {
		if host == "" || strings.ContainsAny(host, " ,/:*") && net.ParseIP(host) == nil {
			return fmt.Errorf("the host %q is no name and no IP", host)
		}
	}
	if c.Lifetime < 4*time.Second {
		return fmt.Errorf("certificates of %v: want 4s at least", c.Lifetime)
	}
	ports := map[uint16]string{PortSidecar: kindSidecar}
	for _, route := range c.Routes {
		if err := route.validate(); err != nil {
			return err
		}
		if other, taken := ports[route.Port]; taken && route.Port != 0 {
			return fmt.Errorf("%s: port %d is that of %s", route.Service, route.Port, other)
		}
		ports[route.Port] = route.Service
	}
	for service, token := range c.Tokens {
		if _, err := mesh.ID(service); err != nil {
			return err
		}
		if len(token) < 16 {
			return fmt.Errorf("the token of %s is shorter than 16 characters", service)
		}
	}
	return nil
}

// Directory is what the control plane reads the instances from;
// *registry.Directory is one.
type Directory interface {
	// Instances are those of a service, and a channel that is closed when there
	// may be others.
	Instances(service string) (instances []registry.Instance, changed <-chan struct{})
}

// Plane is a control plane that runs.
type Plane struct {
	routes    []Route
	tokens    map[string]string
	authority *Authority
	known     string // host:port for members
	directory Directory
	logger    *slog.Logger
	workloads *workloads
	clients   *clientLog
	streams   *streams
	envoys    *envoys
	begun     time.Time
	cache     cachev3.SnapshotCache
	seen      map[string]bool // services that have had an instance
	server    *grpc.Server
	addr      net.Addr
	stop      context.CancelFunc
	running   sync.WaitGroup
}

// Start runs a control plane until Close.
func Start(ctx context.Context, config Config, authority *Authority, directory Directory, logger *slog.Logger) (*Plane, error) {
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("start control plane: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", config.Listen)
	if err != nil {
		return nil, fmt.Errorf("start control plane: %w", err)
	}
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := newPlane(config, authority, directory, logger, work.Done())
	p.addr, p.stop = listener.Addr(), stop
	at := listener.Addr().(*net.TCPAddr)
	hosts := config.Hosts
	if len(hosts) == 0 {
		hosts = []string{at.IP.String()}
	}
	p.known = net.JoinHostPort(hosts[0], strconv.Itoa(at.Port))
	host := &hostCertificate{authority: authority, hosts: hosts, lifetime: config.Lifetime}
	p.server = grpc.NewServer(
		grpc.Creds(credentials.NewTLS(&tls.Config{GetCertificate: host.get, MinVersion: tls.VersionTLS13})),
		grpc.ConnectionTimeout(10*time.Second), grpc.MaxRecvMsgSize(1<<20), grpc.MaxConcurrentStreams(100),
		// Streams are quiet for hours: both sides look whether the other is there.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: leastPing, PermitWithoutStream: true}),
	)
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(p.server, serverv3.NewServer(work, p.cache, p.streams.callbacks()))
	workload.RegisterSpiffeWorkloadAPIServer(p.server, p.workloads)
	p.running.Go(func() { p.publish(work) })
	p.running.Go(func() {
		if err := p.server.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			logger.Error("the control plane's listener failed", "error", err)
		}
	})
	return p, nil
}

// newPlane is a control plane that does not run yet.
func newPlane(config Config, authority *Authority, directory Directory, logger *slog.Logger, ended <-chan struct{}) *Plane {
	p := &Plane{
		routes: config.Routes, tokens: config.Tokens, authority: authority, directory: directory, logger: logger,
		workloads: newWorkloads(config, authority, logger),
		clients:   newClientLog(logger),
		envoys: &envoys{
			routes: config.Routes, policy: config.Policy, lifetime: config.Lifetime,
			holder: &holder{authority: authority, lifetime: config.Lifetime, held: map[string]held{}},
		},
		begun: time.Now(), cache: cachev3.NewSnapshotCache(false, parts{}, nil), seen: map[string]bool{},
	}
	p.workloads.ended = ended
	p.streams = newStreams(p.workloads, p.envoys.exists, p.clients)
	return p
}

// Addr is where the control plane listens.
func (p *Plane) Addr() net.Addr { return p.addr }

// Collectors are the control plane's metrics.
func (p *Plane) Collectors() []prometheus.Collector {
	return append([]prometheus.Collector{p.workloads.issued, p.workloads.refused}, p.clients.collectors()...)
}

// Close ends the control plane. Its streams are endless, so they are cut off.
func (p *Plane) Close() {
	p.stop()
	p.server.Stop()
	p.running.Wait()
}

// hostCertificate is the control plane's own; it is replaced when half of its
// time is over.
type hostCertificate struct {
	authority *Authority
	hosts     []string
	lifetime  time.Duration

	mu   sync.Mutex
	made time.Time
	last *tls.Certificate
}

func (h *hostCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last != nil && time.Since(h.made) < h.lifetime/2 {
		return h.last, nil
	}
	der, key, err := h.authority.issueHost(h.hosts, h.lifetime)
	if err != nil {
		return nil, err
	}
	h.made, h.last = time.Now(), &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return h.last, nil
}
