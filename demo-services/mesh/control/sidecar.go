package control

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/waybill-dev/waybill/demo-services/mesh"
)

// Where proxies listen for others.
const (
	// PortSidecar is a sidecar's, for other members of the mesh.
	PortSidecar = 15006
	// PortIngress is that of the way in, for everybody.
	PortIngress = 8080
)

// localCluster is the service beside a sidecar.
const localCluster = "local"

// envoys makes what proxies are told. It is not safe for concurrent use.
type envoys struct {
	routes   []Route
	policy   mesh.Policy
	lifetime time.Duration
	holder   *holder
}

// exists says whether there is such a part for a proxy.
func (e *envoys) exists(p proxy) bool {
	if p.kind == kindIngress {
		return p.service == kindIngress
	}
	return slices.ContainsFunc(e.routes, func(r Route) bool { return r.Service == p.service && r.Port != 0 })
}

// upstreams are those that the proxy's service may call through it.
func (e *envoys) upstreams(p proxy) []Route {
	var all []Route
	for _, route := range e.routes {
		if _, calls := e.policy.Callers(route.Service)[p.service]; calls && route.Port != 0 && route.Service != p.service {
			all = append(all, route)
		}
	}
	return all
}

// resources are all that the proxy is told, by where the instances are. Renewed
// says whether there is a new certificate among them.
func (e *envoys) resources(p proxy, found places, now time.Time) (said resources, renewed bool, err error) {
	said = resources{}
	if said[types.Secret], renewed, err = e.holder.secrets(p.service, now); err != nil {
		return nil, false, err
	}
	for _, route := range e.upstreams(p) {
		e.outbound(said, p, route, found[route.Service])
	}
	if p.kind == kindSidecar {
		e.inbound(said, p)
	}
	return said, renewed, nil
}

// inbound is a sidecar's way from others to the service beside it.
func (e *envoys) inbound(said resources, p proxy) {
	route := e.routes[slices.IndexFunc(e.routes, func(r Route) bool { return r.Service == p.service })]
	m := guarded(shortLived(manager(p, "inbound"), e.lifetime), guard(e.policy, route), localCluster)
	said[types.Listener] = append(said[types.Listener], listener("inbound", "0.0.0.0", PortSidecar, m, receiving(p.service)))
	local := &clusterv3.Cluster{
		Name: localCluster, ConnectTimeout: durationpb.New(time.Second),
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		LoadAssignment:       endpointsOf(localCluster, []endpoint{{"127.0.0.1", route.Port, 1}}),
	}
	if !route.HTTP {
		overHTTP2(local)
	}
	said[types.Cluster] = append(said[types.Cluster], local)
}

// outbound is a proxy's way to another service: from the loopback interface for
// what is beside a sidecar, from everywhere into the mesh.
func (e *envoys) outbound(said resources, p proxy, route Route, found map[string][]endpoint) {
	name := "outbound_" + route.Service
	m := routed(manager(p, name), route.Service)
	if p.kind == kindIngress {
		said[types.Listener] = append(said[types.Listener], listener(name, "0.0.0.0", PortIngress, entry(m), nil))
	} else {
		said[types.Listener] = append(said[types.Listener], listener(name, "127.0.0.1", route.Port, m, nil))
	}
	table := routesOf(route, route.shares(found), "/")
	for _, r := range table.GetVirtualHosts()[0].GetRoutes() {
		patient(r)
	}
	said[types.Route] = append(said[types.Route], table)
	for _, version := range append([]string{""}, route.versions()...) {
		cluster := clusterOf(route.cluster(version))
		cluster.ConnectTimeout = durationpb.New(time.Second)
		cluster.TransportSocket = calling(p.service, route.Service)
		overHTTP2(cluster)
		said[types.Cluster] = append(said[types.Cluster], cluster)
		said[types.Endpoint] = append(said[types.Endpoint], endpointsOf(cluster.GetName(), route.at(cluster.GetName(), found)))
	}
}

// overHTTP2 has the proxy speak HTTP/2 to the cluster.
func overHTTP2(cluster *clusterv3.Cluster) {
	cluster.TypedExtensionProtocolOptions = map[string]*anypb.Any{
		"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": packed(&httpv3.HttpProtocolOptions{
			UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
				ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{Http2ProtocolOptions: &corev3.Http2ProtocolOptions{}},
			}},
		}),
	}
}

// patient has a route wait as long as its callers do, whose deadlines travel
// with the calls. Envoy would wait for 15 s.
func patient(route *routev3.Route) *routev3.Route {
	action := route.GetRoute()
	action.Timeout = durationpb.New(0)
	action.MaxStreamDuration = &routev3.RouteAction_MaxStreamDuration{GrpcTimeoutHeaderMax: durationpb.New(0)}
	return route
}

// ofIPs are the places that are IPs: Envoy takes no names here, and refuses all
// that it is told for the sake of one.
func ofIPs(found map[string][]endpoint) (map[string][]endpoint, error) {
	left := map[string][]endpoint{}
	var named []string
	for _, cluster := range slices.Sorted(maps.Keys(found)) {
		for _, e := range found[cluster] {
			if net.ParseIP(e.host) != nil {
				left[cluster] = append(left[cluster], e)
			} else if !slices.Contains(named, e.host) {
				named = append(named, e.host)
			}
		}
	}
	if len(named) > 0 {
		return left, fmt.Errorf("proxies can't be told of %q, which are no IPs", named)
	}
	return left, nil
}
