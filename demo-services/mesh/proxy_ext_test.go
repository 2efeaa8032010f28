package mesh_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/prometheus/client_golang/prometheus/testutil"
	statusv1 "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/demo-services/mesh/control"
)

// envoy speaks to the control plane as an Envoy does: one stream for all.
type envoy struct {
	discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesClient
	node string
}

// envoy opens the stream of a node that shows the token.
func (w *world) envoy(t *testing.T, node, token string) *envoy {
	t.Helper()
	pem, err := os.ReadFile(w.authority.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	conn, err := grpc.NewClient(w.plane.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).StreamAggregatedResources(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return &envoy{stream, node}
}

// ask asks for a kind, takes the last answer to it, if there was one, and returns
// the next.
func (e *envoy) ask(url string, last *discoveryv3.DiscoveryResponse, names ...string) (*discoveryv3.DiscoveryResponse, error) {
	request := &discoveryv3.DiscoveryRequest{
		Node: &corev3.Node{Id: e.node}, TypeUrl: url, ResourceNames: names,
		VersionInfo: last.GetVersionInfo(), ResponseNonce: last.GetNonce(),
	}
	if err := e.Send(request); err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	for {
		answer, err := e.Recv()
		if err != nil || answer.GetTypeUrl() == url {
			return answer, err
		}
	}
}

// withProxies are the services' ports beside sidecars.
func withProxies(config *control.Config) {
	for i := range config.Routes {
		config.Routes[i].Port = uint16(9001 + i)
	}
	config.Tokens["ingress"] = control.NewToken()
}

// TestOnlyItsOwnProxyIsToldTheKey has all kinds of nodes ask for what has the
// key of the order service in it.
func TestOnlyItsOwnProxyIsToldTheKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withProxies)
	const id = "spiffe://shop.waybill/service/inventory"
	for _, c := range []struct {
		name, node, token string
		want              codes.Code
	}{
		{"no token", "sidecar/inventory", "", codes.PermissionDenied},
		{"unknown token", "sidecar/inventory/1", control.NewToken(), codes.PermissionDenied},
		{"another's token", "sidecar/inventory/1", w.config.Tokens["order"], codes.PermissionDenied},
		{"another's name", "sidecar/order", w.config.Tokens["inventory"], codes.PermissionDenied},
		{"the way in", "ingress/inventory", w.config.Tokens["inventory"], codes.NotFound},
		{"who has no sidecar", "sidecar/gateway", w.config.Tokens["gateway"], codes.NotFound},
		{"its own", "sidecar/inventory/1", w.config.Tokens["inventory"], codes.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer, err := w.envoy(t, c.node, c.token).ask(resourcev3.SecretType, nil, id)
			if status.Code(err) != c.want || (err == nil) != (len(answer.GetResources()) > 0) {
				t.Errorf("%v, %v, want %v", answer, err, c.want)
			}
		})
	}
	if n := testutil.ToFloat64(w.plane.Collectors()[3]); n != 4 {
		t.Errorf("%v refusals are counted, want 4", n)
	}
	// gRPC's own clients, who show nothing, get nobody's key.
	plain := w.envoy(t, "order/order-1", "")
	if answer, err := plain.ask(resourcev3.ListenerType, nil, "inventory"); err != nil || len(answer.GetResources()) != 1 {
		t.Errorf("a client of gRPC is answered %v, %v", answer, err)
	}
	if err := plain.Send(&discoveryv3.DiscoveryRequest{TypeUrl: resourcev3.SecretType, ResourceNames: []string{id}}); err != nil {
		t.Fatal(err)
	}
	if answer, err := plain.ask(resourcev3.ClusterType, nil, "payment"); err != nil || answer.GetTypeUrl() != resourcev3.ClusterType {
		t.Errorf("a client of gRPC is told %v, %v", answer.GetTypeUrl(), err)
	}
}

// TestProxyFollows takes what a sidecar is told, its certificate's successor, and
// refuses one answer.
func TestProxyFollows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *control.Config) { withProxies(c); c.Lifetime = 4 * time.Second })
	e := w.envoy(t, "sidecar/inventory/1", w.config.Tokens["inventory"])
	for _, kind := range []string{resourcev3.ClusterType, resourcev3.ListenerType} {
		answer, err := e.ask(kind, nil)
		if err != nil || len(answer.GetResources()) != 1 || answer.GetTypeUrl() != kind {
			t.Fatalf("%v, %v", answer, err)
		}
		if kind == resourcev3.ListenerType {
			if err := e.Send(&discoveryv3.DiscoveryRequest{
				TypeUrl: kind, ResponseNonce: answer.GetNonce(), ErrorDetail: &statusv1.Status{Message: "it has no such filter"},
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	const id = "spiffe://shop.waybill/service/inventory"
	var answer *discoveryv3.DiscoveryResponse
	var authority *tlsv3.Secret
	ends := map[time.Time]bool{}
	for range 3 {
		var err error
		if answer, err = e.ask(resourcev3.SecretType, answer, id, "spiffe://shop.waybill"); err != nil {
			t.Fatal(err)
		}
		secrets := secretsIn(t, answer)
		if authority == nil { // what has not changed is not told again
			authority = secrets["spiffe://shop.waybill"]
		}
		ends[expiryOf(t, secrets[id], authority, id)] = true
	}
	if len(ends) < 2 { // they are told in whole seconds
		t.Errorf("three certificates end at %v", ends)
	}
	if n := testutil.CollectAndCount(w.plane.Collectors()[2]); n != 1 {
		t.Errorf("%d kinds of refused configuration are counted, want 1", n)
	}
}

// secretsIn are those of the answer, by name.
func secretsIn(t *testing.T, answer *discoveryv3.DiscoveryResponse) map[string]*tlsv3.Secret {
	t.Helper()
	secrets := map[string]*tlsv3.Secret{}
	for _, resource := range answer.GetResources() {
		var secret tlsv3.Secret
		if err := resource.UnmarshalTo(&secret); err != nil {
			t.Fatal(err)
		}
		secrets[secret.GetName()] = &secret
	}
	return secrets
}

// expiryOf is when the certificate ends, whose key fits it, and which is the
// authority's.
func expiryOf(t *testing.T, own, authority *tlsv3.Secret, id string) time.Time {
	t.Helper()
	pair, err := tls.X509KeyPair(own.GetTlsCertificate().GetCertificateChain().GetInlineBytes(), own.GetTlsCertificate().GetPrivateKey().GetInlineBytes())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority.GetValidationContext().GetTrustedCa().GetInlineBytes()) {
		t.Fatal("there is no authority")
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots}); err != nil {
		t.Error(err)
	}
	if got := pair.Leaf.URIs[0].String(); got != id {
		t.Errorf("the certificate is of %s", got)
	}
	return pair.Leaf.NotAfter
}

// TestSidecarsAndMembersBelieveOneAnother has a call made with what a sidecar is
// told to a member that has none.
func TestSidecarsAndMembersBelieveOneAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withProxies)
	s := w.serve(t, "inventory", "inventory-1", "v1")
	if err := reserve(t, w.throughSidecar(t, "payment", s.Address)); status.Code(err) != codes.PermissionDenied {
		t.Errorf("the sidecar of payment is answered %v, want PermissionDenied", err)
	}
	w.config.Routes = append(w.config.Routes, control.Route{Service: "order", Port: 9009})
	w.plane.Close()
	w.start(t)
	if err := reserve(t, w.throughSidecar(t, "order", s.Address)); err != nil || s.calls.Load() != 1 {
		t.Errorf("the sidecar of order is answered %v", err)
	}
}

// throughSidecar is a connection with the certificate that the service's sidecar
// is told, which believes the server if the sidecar is to.
func (w *world) throughSidecar(t *testing.T, service, address string) *grpc.ClientConn {
	t.Helper()
	const authority = "spiffe://shop.waybill"
	id := authority + "/service/" + service
	answer, err := w.envoy(t, "sidecar/"+service, w.config.Tokens[service]).ask(resourcev3.SecretType, nil, id, authority)
	if err != nil {
		t.Fatal(err)
	}
	secrets := secretsIn(t, answer)
	own := secrets[id].GetTlsCertificate()
	pair, err := tls.X509KeyPair(own.GetCertificateChain().GetInlineBytes(), own.GetPrivateKey().GetInlineBytes())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(secrets[authority].GetValidationContext().GetTrustedCa().GetInlineBytes())
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13,
		InsecureSkipVerify: true, // as for the name, which is no DNS name
		VerifyConnection: func(state tls.ConnectionState) error {
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots})
			return err
		},
	})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
