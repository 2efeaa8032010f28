package control

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	serverv3 "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/xds"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/waybill-dev/waybill/demo-services/mesh"
)

// TestSidecarsAllowWhatThePolicyAllows gives the sidecars' RBAC filters to gRPC,
// which has a filter of the same rules as Envoy's, and has every member call
// every method of every service.
func TestSidecarsAllowWhatThePolicyAllows(t *testing.T) {
	config := shopConfig(t)
	authority, err := OpenAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	members, methods := []string{"operator", kindIngress}, []string{"/grpc.health.v1.Health/Check", "/grpc.health.v1.HealthOfSomebody/Check", "/x.Y/Z", "/api/v1/orders"}
	for _, route := range config.Routes {
		members = append(members, route.Service)
		for _, rules := range config.Policy.Callers(route.Service) {
			for _, method := range rules {
				path, _ := mesh.PathOf(method)
				methods = append(methods, path, path+"x")
			}
		}
	}
	// gRPC takes no other paths, of which the policy has two.
	methods = slices.DeleteFunc(methods, func(path string) bool { return strings.Count(path, "/") < 2 || strings.HasSuffix(path, "/") })
	slices.Sort(methods)
	methods = slices.Compact(methods)
	allowed := 0
	for _, route := range config.Routes {
		server := guardedServer(t, authority, config.Policy, route)
		for _, caller := range members {
			conn := server.dial(t, caller)
			for _, method := range methods {
				want := codes.PermissionDenied
				if mayCall(config.Policy, route, caller, method) {
					want, allowed = codes.OK, allowed+1
				}
				if got := status.Code(conn.Invoke(t.Context(), method, &emptypb.Empty{}, &emptypb.Empty{}, grpc.WaitForReady(true))); got != want {
					t.Errorf("%s calls %s of %s: %v, want %v", caller, method, route.Service, got, want)
				}
			}
		}
	}
	if allowed < 30 {
		t.Errorf("only %d calls were allowed", allowed)
	}
}

// mayCall is the policy's own word, of a path.
func mayCall(policy mesh.Policy, route Route, caller, path string) bool {
	if !route.HTTP {
		return policy.Allows(route.Service, caller, path)
	}
	return caller == kindIngress && strings.HasPrefix(path, "/api/")
}

// guardedBy is a server before which there is the filter of a service's sidecar.
type guardedBy struct {
	authority *Authority
	addr      net.Addr
}

func guardedServer(t *testing.T, authority *Authority, policy mesh.Policy, route Route) guardedBy {
	t.Helper()
	listening, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := listening.Addr().(*net.TCPAddr)
	// Only what gRPC has, too, is as it is with a sidecar: the filters.
	m := guarded(manager(proxy{kindSidecar, route.Service}, "inbound"), guard(policy, route), localCluster)
	m = &managerv3.HttpConnectionManager{HttpFilters: m.GetHttpFilters()}
	m.RouteSpecifier = &managerv3.HttpConnectionManager_RouteConfig{RouteConfig: &routev3.RouteConfiguration{
		Name: localCluster, VirtualHosts: []*routev3.VirtualHost{{Name: localCluster, Domains: []string{"*"}, Routes: []*routev3.Route{{
			Match: everything(""), Action: &routev3.Route_NonForwardingAction{NonForwardingAction: &routev3.NonForwardingAction{}},
		}}}},
	}}
	told := listener(fmt.Sprintf("server/%s", at), at.IP.String(), uint16(at.Port), m, nil)
	told.PerConnectionBufferLimitBytes = nil

	certificate := certificateOf(t, authority, route.Service)
	roots := x509.NewCertPool()
	roots.AddCert(authority.root)
	server, err := xds.NewGRPCServer(xds.BootstrapContentsForTesting(serveListener(t, told)),
		grpc.Creds(credentials.NewTLS(&tls.Config{
			Certificates: []tls.Certificate{certificate}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
		})),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			var request emptypb.Empty
			if err := stream.RecvMsg(&request); err != nil {
				return err
			}
			return stream.SendMsg(&request)
		}))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listening) // it ends when the test does
	}()
	t.Cleanup(func() { server.Stop(); <-done })
	return guardedBy{authority, at}
}

// serveListener tells whoever asks of the listener, and is the bootstrap for it.
func serveListener(t *testing.T, told types.Resource) []byte {
	t.Helper()
	snapshot, err := resources{types.Listener: {told}}.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	cache := cachev3.NewSnapshotCache(false, parts{}, nil)
	if err := cache.SetSnapshot(t.Context(), "", snapshot); err != nil {
		t.Fatal(err)
	}
	plane := grpc.NewServer()
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(plane, serverv3.NewServer(t.Context(), cache, nil))
	listening, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = plane.Serve(listening) // it ends when the test does
	}()
	t.Cleanup(func() { plane.Stop(); <-done })
	type values = map[string]any
	bootstrap, err := json.Marshal(values{
		"xds_servers": []values{{
			"server_uri": listening.Addr().String(), "channel_creds": []values{{"type": "insecure"}}, "server_features": []string{"xds_v3"},
		}},
		"node": values{"id": "server"}, "server_listener_resource_name_template": "server/%s",
	})
	if err != nil {
		t.Fatal(err)
	}
	return bootstrap
}

func certificateOf(t *testing.T, authority *Authority, service string) tls.Certificate {
	t.Helper()
	der, secret, err := authority.Issue(service, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// dial is a connection of the member, which does not look at whom it reaches: the
// caller is what is looked at here.
func (g guardedBy) dial(t *testing.T, member string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(g.addr.String(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{certificateOf(t, g.authority, member)}, InsecureSkipVerify: true,
	})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
