package mesh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/xds"
)

// Config is how a service becomes a member.
type Config struct {
	// Address is the control plane's host:port.
	Address string
	// CAFile is the PEM file of the certificates that the control plane's own is
	// believed by.
	CAFile string
	// Token proves to the control plane which service this is. It is a secret.
	Token string
	// Policy says who may call this service.
	Policy Policy
}

// Member is a service in the mesh. Safe for concurrent use.
type Member struct {
	config   Config
	service  string
	source   *workloadapi.X509Source
	refused  *refusals
	lifetime time.Duration // of a certificate
	node     string
	found    resolver.Builder
}

// Join makes the service a member: it has a certificate when Join returns, and
// a new one in time until Close. Join waits for the control plane as long as
// the context lasts. The instance is the service's among others of its name.
func Join(ctx context.Context, config Config, service, instance string, logger *slog.Logger) (*Member, error) {
	id, err := ID(service)
	if err != nil {
		return nil, err
	}
	if host, _, err := net.SplitHostPort(config.Address); err != nil || host == "" {
		return nil, fmt.Errorf("join mesh at %q: want host:port", config.Address)
	}
	said := &spoken{logger: logger}
	options, err := enrolment(config, said)
	if err != nil {
		return nil, fmt.Errorf("join mesh: %w", err)
	}
	source, err := workloadapi.NewX509Source(ctx, workloadapi.WithClientOptions(options...))
	if err != nil {
		// The library says that the time is over, and not what it waited for.
		return nil, fmt.Errorf("join mesh at %s: %w%s", config.Address, err, said.lastly())
	}
	m := &Member{config: config, service: service, source: source, refused: newRefusals(), node: service + "/" + instance}
	if err := m.prepare(id.String()); err != nil {
		return nil, errors.Join(err, source.Close())
	}
	return m, nil
}

// prepare looks at the first certificate, and makes what finds others.
func (m *Member) prepare(id string) error {
	svid, err := m.source.GetX509SVID()
	if err != nil {
		return fmt.Errorf("join mesh: %w", err)
	}
	if svid.ID.String() != id {
		return fmt.Errorf("join mesh: the token makes this %s, not %s", svid.ID, id)
	}
	m.lifetime = svid.Certificates[0].NotAfter.Sub(svid.Certificates[0].NotBefore)
	bootstrap, err := m.bootstrap()
	if err != nil {
		return err
	}
	// gRPC has one bootstrap for a process. Here many services share one, and
	// each is a client of its own; this is the one way to have it so.
	m.found, err = xds.NewXDSResolverWithConfigForTesting(bootstrap)
	if err != nil {
		return fmt.Errorf("read xDS bootstrap: %w", err)
	}
	return nil
}

// bootstrap tells gRPC's xDS client where the control plane is.
func (m *Member) bootstrap() ([]byte, error) {
	type values = map[string]any
	return json.Marshal(values{
		"xds_servers": []values{{
			"server_uri":      m.config.Address,
			"channel_creds":   []values{{"type": "tls", "config": values{"ca_certificate_file": m.config.CAFile}}},
			"server_features": []string{"xds_v3"},
		}},
		"node": values{"id": m.node, "cluster": m.service},
	})
}

// Close ends the member's part: no certificate is replaced any more. What uses
// the options of this member is to end before.
func (m *Member) Close() error { return m.source.Close() }

// Collectors are the member's metrics: what was refused, and when its
// certificate ends.
func (m *Member) Collectors() []prometheus.Collector {
	expiry := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "shop_mesh_certificate_expiry_timestamp_seconds", Help: "When the service's certificate ends, in Unix time.",
	}, func() float64 {
		svid, err := m.source.GetX509SVID()
		if err != nil {
			return 0
		}
		return float64(svid.Certificates[0].NotAfter.Unix())
	})
	return []prometheus.Collector{m.refused.total, expiry}
}

// ServerOptions let only members of the mesh connect. The calls that they make
// are for UnaryGuard and StreamGuard. A connection is closed before the
// certificates that it was made with end, and calls that are under way go on.
func (m *Member) ServerOptions() []grpc.ServerOption {
	config := tlsconfig.MTLSServerConfig(m.source, m.source, tlsconfig.AuthorizeMemberOf(TrustDomain))
	// Who resumes a session is not verified again.
	config.SessionTicketsDisabled = true
	return []grpc.ServerOption{
		grpc.Creds(countedHandshakes{credentials.NewTLS(config), m.refused}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: m.lifetime / 4, MaxConnectionAgeGrace: m.lifetime / 8}),
	}
}

// DialOptions are for connections to the service, at xds:///service or any
// other target: nobody else is believed to be it.
func (m *Member) DialOptions(service string) ([]grpc.DialOption, error) {
	id, err := ID(service)
	if err != nil {
		return nil, err
	}
	config := tlsconfig.MTLSClientConfig(m.source, m.source, tlsconfig.AuthorizeID(id))
	return []grpc.DialOption{
		grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithResolvers(m.found),
	}, nil
}
