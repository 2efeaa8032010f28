package control

import (
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tracev3 "github.com/envoyproxy/go-control-plane/envoy/config/trace/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tracingv3 "github.com/envoyproxy/go-control-plane/envoy/type/tracing/v3"
	"github.com/envoyproxy/go-control-plane/pkg/wellknown"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// collectorCluster is where proxies send their spans and metrics. It is in their
// bootstrap, because what is there needs it, too.
const collectorCluster = "collector"

// packed is the message in the form in which others hold it. There is none of
// ours that can't be encoded.
func packed(message proto.Message) *anypb.Any {
	encoded := &anypb.Any{}
	// The same is to be said of the same: a listener that has changed closes its
	// connections.
	if err := anypb.MarshalFrom(encoded, message, proto.MarshalOptions{Deterministic: true}); err != nil {
		panic("BUG: a message that can't be encoded: " + err.Error())
	}
	return encoded
}

// manager is what handles the requests of a listener.
func manager(p proxy, name string) *managerv3.HttpConnectionManager {
	return &managerv3.HttpConnectionManager{
		StatPrefix:                   name,
		Tracing:                      tracing(p),
		NormalizePath:                wrapperspb.Bool(true), // so that paths are compared as they are meant
		MergeSlashes:                 true,
		PathWithEscapedSlashesAction: managerv3.HttpConnectionManager_REJECT_REQUEST,
		RequestHeadersTimeout:        durationpb.New(10 * time.Second),
		CommonHttpProtocolOptions:    &corev3.HttpProtocolOptions{IdleTimeout: durationpb.New(5 * time.Minute)},
		Http2ProtocolOptions: &corev3.Http2ProtocolOptions{
			MaxConcurrentStreams:        wrapperspb.UInt32(1000),
			InitialStreamWindowSize:     wrapperspb.UInt32(1 << 16),
			InitialConnectionWindowSize: wrapperspb.UInt32(1 << 20),
		},
	}
}

// tracing sends the proxy's spans to the collector. Whether a request is
// recorded its caller has decided, or nobody has, and it is.
func tracing(p proxy) *managerv3.HttpConnectionManager_Tracing {
	name := p.service
	if p.kind == kindSidecar {
		name += "-" + kindSidecar
	}
	return &managerv3.HttpConnectionManager_Tracing{
		SpawnUpstreamSpan: wrapperspb.Bool(true),
		Provider: &tracev3.Tracing_Http{
			Name: "envoy.tracers.opentelemetry",
			ConfigType: &tracev3.Tracing_Http_TypedConfig{TypedConfig: packed(&tracev3.OpenTelemetryConfig{
				ServiceName: name,
				GrpcService: &corev3.GrpcService{
					TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: collectorCluster}},
					Timeout:         durationpb.New(time.Second),
				},
			})},
		},
	}
}

// routed has the manager look its routes up by the name.
func routed(m *managerv3.HttpConnectionManager, name string) *managerv3.HttpConnectionManager {
	m.RouteSpecifier = &managerv3.HttpConnectionManager_Rds{Rds: &managerv3.Rds{ConfigSource: overADS(), RouteConfigName: name}}
	m.HttpFilters = append(m.HttpFilters, router())
	return m
}

// guarded has the manager let through to the cluster what the policy allows.
func guarded(m *managerv3.HttpConnectionManager, rules *rbacv3.RBAC, cluster string) *managerv3.HttpConnectionManager {
	m.RouteSpecifier = &managerv3.HttpConnectionManager_RouteConfig{RouteConfig: &routev3.RouteConfiguration{
		Name: cluster,
		VirtualHosts: []*routev3.VirtualHost{{Name: cluster, Domains: []string{"*"}, Routes: []*routev3.Route{
			patient(routeOf(everything("/"), []share{{cluster, 1}}, nil)),
		}}},
	}}
	m.HttpFilters = append(m.HttpFilters, httpFilter("envoy.filters.http.rbac", rules), router())
	m.Tracing.CustomTags = []*tracingv3.CustomTag{{
		Tag: "mesh.caller.id", Type: &tracingv3.CustomTag_Value{Value: "%DOWNSTREAM_PEER_URI_SAN%"},
	}}
	return m
}

func router() *managerv3.HttpFilter { return httpFilter(wellknown.Router, &routerv3.Router{}) }

func httpFilter(name string, config proto.Message) *managerv3.HttpFilter {
	return &managerv3.HttpFilter{Name: name, ConfigType: &managerv3.HttpFilter_TypedConfig{TypedConfig: packed(config)}}
}

// listener accepts connections for the manager, by TLS if there is a socket.
func listener(name, host string, port uint16, m *managerv3.HttpConnectionManager, socket *corev3.TransportSocket) *listenerv3.Listener {
	return &listenerv3.Listener{
		Name: name, Address: addressOf(host, port),
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(1 << 20),
		FilterChains: []*listenerv3.FilterChain{{
			TransportSocket: socket,
			Filters: []*listenerv3.Filter{{
				Name: wellknown.HTTPConnectionManager, ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: packed(m)},
			}},
		}},
	}
}

func addressOf(host string, port uint16) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: host, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(port)},
	}}}
}

func tlsSocket(config proto.Message) *corev3.TransportSocket {
	return &corev3.TransportSocket{Name: wellknown.TransportSocketTls, ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: packed(config)}}
}

// entry is how the mesh's way in differs from a sidecar: clients are strangers,
// whose addresses are told on.
func entry(m *managerv3.HttpConnectionManager) *managerv3.HttpConnectionManager {
	m.UseRemoteAddress = wrapperspb.Bool(true)
	m.Http2ProtocolOptions.MaxConcurrentStreams = wrapperspb.UInt32(100)
	m.CommonHttpProtocolOptions.HeadersWithUnderscoresAction = corev3.HttpProtocolOptions_REJECT_REQUEST
	return m
}

// shortLived ends connections long before the certificates that they were made
// with, as members of the mesh do without proxies.
func shortLived(m *managerv3.HttpConnectionManager, lifetime time.Duration) *managerv3.HttpConnectionManager {
	m.CommonHttpProtocolOptions.MaxConnectionDuration = durationpb.New(lifetime / 4)
	m.ForwardClientCertDetails = managerv3.HttpConnectionManager_SANITIZE
	return m
}
