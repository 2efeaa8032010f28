package control

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/waybill-dev/waybill/demo-services/mesh"
	"github.com/waybill-dev/waybill/demo-services/registry"
)

// shopConfig is a control plane of a shop behind sidecars.
func shopConfig(t *testing.T) Config {
	t.Helper()
	policy, err := mesh.ShopPolicy()
	if err != nil {
		t.Fatal(err)
	}
	config := DefaultConfig()
	config.Policy = policy
	config.Routes = []Route{
		{Service: "gateway", Port: 9000, HTTP: true},
		{Service: "user", Port: 9001},
		{Service: "order", Port: 9002},
		{Service: "inventory", Port: 9003, Idempotent: []string{"shop.inventory.v1.InventoryService", "x.Y/Z"}},
		{Service: "payment", Port: 9004, Split: map[string]uint32{"v1": 75, "v2": 25}},
		{Service: "notification", Port: 9005},
	}
	config.Tokens = map[string]string{kindIngress: NewToken()}
	for _, route := range config.Routes {
		config.Tokens[route.Service] = NewToken()
	}
	return config
}

// everywhere has two instances of each service, and one more that has no IP.
type everywhere struct{ changed chan struct{} }

func (d everywhere) Instances(service string) ([]registry.Instance, <-chan struct{}) {
	return []registry.Instance{
		{Service: service, ID: service + "-1", Address: "10.0.0.1:15006", Version: "v1"},
		{Service: service, ID: service + "-2", Address: "10.0.0.2:15006", Version: "v2", Weight: 3},
		{Service: service, ID: service + "-3", Address: service + ".example:15006", Version: "v1"},
	}, d.changed
}

// idlePlane is a control plane that does not run, so that a test may be it.
func idlePlane(t *testing.T, config Config, directory Directory) *Plane {
	t.Helper()
	if err := config.validate(); err != nil {
		t.Fatal(err)
	}
	authority, err := OpenAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return newPlane(config, authority, directory, slog.New(slog.DiscardHandler), t.Context().Done())
}

// allProxies are those of the shop.
func allProxies(config Config) []proxy {
	all := []proxy{{kindIngress, kindIngress}}
	for _, route := range config.Routes {
		all = append(all, proxy{kindSidecar, route.Service})
	}
	return all
}

// TestWhatProxiesAreToldIsValid looks at every message, and at what they say of
// one another.
func TestWhatProxiesAreToldIsValid(t *testing.T) {
	config := shopConfig(t)
	plane := idlePlane(t, config, everywhere{make(chan struct{})})
	found, _ := plane.look()
	for _, p := range allProxies(config) {
		t.Run(p.part(), func(t *testing.T) {
			said, err := plane.forProxy(p, found)
			if err != nil {
				t.Fatal(err)
			}
			snapshot := wantValid(t, said)
			if err := snapshot.Consistent(); err != nil {
				t.Error(err)
			}
			wantReferences(t, said)
			for range 20 { // a map's order is another each time
				again, err := plane.forProxy(p, found)
				if err != nil {
					t.Fatal(err)
				}
				repeated, err := again.snapshot()
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(versions(snapshot), versions(repeated)); diff != "" {
					t.Fatalf("the same is another version (-first +later):\n%s", diff)
				}
			}
		})
	}
	said, err := plane.forClients(found)
	if err != nil {
		t.Fatal(err)
	}
	// Consistent does not look into the listeners of gRPC's clients.
	wantValid(t, said)
	wantReferences(t, said)
}

func versions(s *cachev3.Snapshot) (all []string) {
	for _, kind := range s.Resources {
		all = append(all, kind.Version)
	}
	return all
}

// wantValid validates each message, and each that is packed in another.
func wantValid(t *testing.T, said resources) *cachev3.Snapshot {
	t.Helper()
	for _, items := range said {
		for _, item := range items {
			validate(t, item)
		}
	}
	snapshot, err := said.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

func validate(t *testing.T, message proto.Message) {
	t.Helper()
	name := message.ProtoReflect().Descriptor().FullName()
	checked, is := message.(interface{ ValidateAll() error })
	if !is {
		t.Errorf("%s has no rules", name)
		return
	}
	if err := checked.ValidateAll(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	walk(message.ProtoReflect(), func(m protoreflect.Message) {
		inner, is := m.Interface().(*anypb.Any)
		if !is {
			return
		}
		packed, err := inner.UnmarshalNew()
		if err != nil {
			t.Errorf("%s has what nobody knows: %v", name, err)
			return
		}
		validate(t, packed)
	})
}

// wantReferences wants what is named to be there: routes of listeners, clusters of
// routes, and secrets of TLS. Endpoints of clusters are looked at by the snapshot
// itself.
func wantReferences(t *testing.T, said resources) {
	t.Helper()
	there, named := map[string]bool{"cluster " + collectorCluster: true}, map[string]bool{}
	var look func(message proto.Message)
	look = func(message proto.Message) {
		walk(message.ProtoReflect(), func(m protoreflect.Message) {
			switch m := m.Interface().(type) {
			case *anypb.Any:
				inner, err := m.UnmarshalNew()
				if err != nil {
					t.Fatal(err)
				}
				look(inner)
			case *routev3.WeightedCluster_ClusterWeight:
				named["cluster "+m.GetName()] = true
			case *managerv3.Rds:
				named["route "+m.GetRouteConfigName()] = true
			case *tlsv3.SdsSecretConfig:
				named["secret "+m.GetName()] = true
			}
		})
	}
	for _, items := range said {
		for _, item := range items {
			look(item)
			switch item := item.(type) {
			case *clusterv3.Cluster:
				there["cluster "+item.GetName()] = true
			case *routev3.RouteConfiguration:
				there["route "+item.GetName()] = true
			case *tlsv3.Secret:
				there["secret "+item.GetName()] = true
			}
		}
	}
	for name := range named {
		if !there[name] {
			t.Errorf("there is no %s", name)
		}
	}
	if len(named) == 0 {
		t.Error("nothing is named")
	}
}

// walk calls with the message and all in it, but for what is packed.
func walk(message protoreflect.Message, call func(protoreflect.Message)) {
	call(message)
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap() && field.MapValue().Message() != nil:
			value.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool { walk(v.Message(), call); return true })
		case field.IsList() && field.Message() != nil:
			for i := range value.List().Len() {
				walk(value.List().Get(i).Message(), call)
			}
		case field.Message() != nil && !field.IsMap():
			walk(value.Message(), call)
		}
		return true
	})
}

// TestWhatProxiesAreTold looks at who gets which listeners and clusters.
func TestWhatProxiesAreTold(t *testing.T) {
	config := shopConfig(t)
	plane := idlePlane(t, config, everywhere{make(chan struct{})})
	found, _ := plane.look()
	for p, want := range map[proxy][]string{
		{kindIngress, kindIngress}: {"listener outbound_gateway 0.0.0.0:8080", "cluster gateway", "endpoints gateway 2", "route gateway"},
		{kindSidecar, "gateway"}: {
			"listener outbound_user 127.0.0.1:9001", "listener outbound_order 127.0.0.1:9002", "listener outbound_inventory 127.0.0.1:9003", "listener inbound 0.0.0.0:15006",
			"cluster user", "cluster order", "cluster inventory", "cluster local", "endpoints user 2", "endpoints order 2", "endpoints inventory 2", "route user", "route order", "route inventory",
		},
		{kindSidecar, "order"}: {
			"listener outbound_inventory 127.0.0.1:9003", "listener outbound_payment 127.0.0.1:9004", "listener inbound 0.0.0.0:15006",
			"cluster inventory", "cluster payment", "cluster payment/v1", "cluster payment/v2", "cluster local",
			"endpoints inventory 2", "endpoints payment 2", "endpoints payment/v1 1", "endpoints payment/v2 1", "route inventory", "route payment",
		},
		{kindSidecar, "notification"}: {"listener inbound 0.0.0.0:15006", "cluster local"},
	} {
		said, err := plane.forProxy(p, found)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, describe(said)); diff != "" {
			t.Errorf("%s is told (-want +got):\n%s", p.part(), diff)
		}
	}
}

// TestAProxyIsToldNothingThatIsNotKnown has a control plane start before the
// registry has told it of anybody.
func TestAProxyIsToldNothingThatIsNotKnown(t *testing.T) {
	plane := idlePlane(t, shopConfig(t), emptyDirectory{})
	found, _ := plane.look()
	for p, waits := range map[proxy]bool{{kindSidecar, "order"}: true, {kindIngress, kindIngress}: true, {kindSidecar, "notification"}: false} {
		said, err := plane.forProxy(p, found)
		if err != nil || (said == nil) != waits {
			t.Errorf("%s is told %d kinds, %v", p.part(), len(said), err)
		}
	}
	plane.begun = time.Now().Add(-settling)
	said, err := plane.forProxy(proxy{kindSidecar, "order"}, found)
	if err != nil {
		t.Fatal(err)
	}
	if err := wantValid(t, said).Consistent(); err != nil {
		t.Error(err)
	}
}

func TestProxiesAreOfServices(t *testing.T) {
	plane := idlePlane(t, shopConfig(t), emptyDirectory{})
	for p, want := range map[proxy]bool{
		{kindSidecar, "order"}: true, {kindSidecar, "psp"}: false, {kindSidecar, kindIngress}: false, {kindIngress, "order"}: false, {kindIngress, kindIngress}: true, {}: false,
	} {
		if got := plane.envoys.exists(p); got != want {
			t.Errorf("%s exists: %v, want %v", p.part(), got, want)
		}
	}
}

// describe is a line for each resource but secrets.
func describe(said resources) (lines []string) {
	for _, item := range said[types.Listener] {
		l := item.(*listenerv3.Listener)
		lines = append(lines, fmt.Sprintf("listener %s %s:%d", l.GetName(), l.GetAddress().GetSocketAddress().GetAddress(), l.GetAddress().GetSocketAddress().GetPortValue()))
	}
	for _, item := range said[types.Cluster] {
		lines = append(lines, "cluster "+cachev3.GetResourceName(item))
	}
	for _, item := range said[types.Endpoint] {
		n := 0
		for _, locality := range item.(*endpointv3.ClusterLoadAssignment).GetEndpoints() {
			n += len(locality.GetLbEndpoints())
		}
		lines = append(lines, fmt.Sprintf("endpoints %s %d", cachev3.GetResourceName(item), n))
	}
	for _, item := range said[types.Route] {
		lines = append(lines, "route "+cachev3.GetResourceName(item))
	}
	return lines
}
