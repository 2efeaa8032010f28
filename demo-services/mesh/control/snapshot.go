package control

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// resources are those of one kind, for the clients.
type resources map[types.ResponseType][]types.Resource

// add is what is always there of a service: a client to whom it were gone would
// fail calls, although the control plane has only begun to look.
func (r resources) add(route Route) error {
	listener, err := listenerOf(route.Service)
	if err != nil {
		return err
	}
	r[types.Listener] = append(r[types.Listener], listener)
	for _, version := range append([]string{""}, route.versions()...) {
		r[types.Cluster] = append(r[types.Cluster], clusterOf(route.cluster(version)))
	}
	return nil
}

// place is where the instances are, of a service that has had one. Clients wait
// for what they have not been told of yet, and go on with what they know.
func (r resources) place(route Route, found map[string][]endpoint) {
	for _, version := range append([]string{""}, route.versions()...) {
		cluster := route.cluster(version)
		r[types.Endpoint] = append(r[types.Endpoint], endpointsOf(cluster, route.at(cluster, found)))
	}
	r[types.Route] = append(r[types.Route], routesOf(route, route.shares(found), ""))
}

// snapshot gives each kind the hash of what it says as its version: a control
// plane that starts again says the same of the same, and nothing else.
func (r resources) snapshot() (*cachev3.Snapshot, error) {
	snapshot := &cachev3.Snapshot{}
	for kind, items := range r {
		hash := sha256.New()
		for _, item := range items {
			encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(item)
			if err != nil {
				return nil, fmt.Errorf("encode %s: %w", cachev3.GetResourceName(item), err)
			}
			_, _ = hash.Write(strconv.AppendInt(nil, int64(len(encoded)), 10)) // it can't fail
			_, _ = hash.Write(encoded)
		}
		snapshot.Resources[kind] = cachev3.NewResources(hex.EncodeToString(hash.Sum(nil)[:16]), items)
	}
	return snapshot, nil
}

// overADS says that the rest comes by the same stream.
func overADS() *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ResourceApiVersion:    corev3.ApiVersion_V3,
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
	}
}

func listenerOf(service string) (*listenerv3.Listener, error) {
	router, err := anypb.New(&routerv3.Router{})
	if err != nil {
		return nil, err
	}
	manager, err := anypb.New(&managerv3.HttpConnectionManager{
		StatPrefix:     service,
		RouteSpecifier: &managerv3.HttpConnectionManager_Rds{Rds: &managerv3.Rds{ConfigSource: overADS(), RouteConfigName: service}},
		HttpFilters:    []*managerv3.HttpFilter{{Name: "router", ConfigType: &managerv3.HttpFilter_TypedConfig{TypedConfig: router}}},
	})
	if err != nil {
		return nil, err
	}
	return &listenerv3.Listener{Name: service, ApiListener: &listenerv3.ApiListener{ApiListener: manager}}, nil
}

func clusterOf(name string) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name:                 name,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
		EdsClusterConfig:     &clusterv3.Cluster_EdsClusterConfig{EdsConfig: overADS(), ServiceName: name},
		LbPolicy:             clusterv3.Cluster_ROUND_ROBIN,
	}
}

func endpointsOf(cluster string, found []endpoint) *endpointv3.ClusterLoadAssignment {
	assignment := &endpointv3.ClusterLoadAssignment{ClusterName: cluster}
	if len(found) == 0 {
		return assignment
	}
	locality := &endpointv3.LocalityLbEndpoints{Locality: &corev3.Locality{}, LoadBalancingWeight: wrapperspb.UInt32(1)}
	for _, e := range found {
		locality.LbEndpoints = append(locality.LbEndpoints, &endpointv3.LbEndpoint{
			LoadBalancingWeight: wrapperspb.UInt32(e.weight),
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
				Address: addressOf(e.host, e.port),
			}},
		})
	}
	assignment.Endpoints = []*endpointv3.LocalityLbEndpoints{locality}
	return assignment
}

// routesOf are the routes to a service. Start is what every path begins with, for
// those who look.
func routesOf(route Route, shares []share, start string) *routev3.RouteConfiguration {
	host := &routev3.VirtualHost{Name: route.Service, Domains: []string{"*"}}
	for _, method := range route.Idempotent {
		match := &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/" + method + "/"}}
		if strings.Contains(method, "/") {
			match.PathSpecifier = &routev3.RouteMatch_Path{Path: "/" + method}
		}
		host.Routes = append(host.Routes, routeOf(match, shares, &routev3.RetryPolicy{
			RetryOn: "unavailable", NumRetries: wrapperspb.UInt32(2),
			RetryBackOff: &routev3.RetryPolicy_RetryBackOff{
				BaseInterval: durationpb.New(50 * time.Millisecond), MaxInterval: durationpb.New(10 * time.Second),
			},
		}))
	}
	host.Routes = append(host.Routes, routeOf(everything(start), shares, nil))
	if len(route.Split) > 0 {
		host.Routes = append(host.Routes, anchorOf(route))
	}
	return &routev3.RouteConfiguration{Name: route.Service, VirtualHosts: []*routev3.VirtualHost{host}}
}

func everything(start string) *routev3.RouteMatch {
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: start}}
}

// anchorOf is a route that no call comes to, behind one that takes all. With it
// every client knows all clusters at all times: gRPC sends calls to a cluster
// that is new to it a moment before it has it, and fails them.
func anchorOf(route Route) *routev3.Route {
	all := []share{{route.cluster(""), 1}}
	for _, version := range route.versions() {
		all = append(all, share{route.cluster(version), 1})
	}
	return routeOf(&routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: "/-/-"}}, all, nil)
}

func routeOf(match *routev3.RouteMatch, shares []share, again *routev3.RetryPolicy) *routev3.Route {
	weighted := &routev3.WeightedCluster{}
	for _, s := range shares {
		weighted.Clusters = append(weighted.Clusters, &routev3.WeightedCluster_ClusterWeight{Name: s.cluster, Weight: wrapperspb.UInt32(s.weight)})
	}
	return &routev3.Route{Match: match, Action: &routev3.Route_Route{Route: &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_WeightedClusters{WeightedClusters: weighted},
		RetryPolicy:      again,
	}}}
}
