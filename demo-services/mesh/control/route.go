package control

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/waybill-dev/waybill/demo-services/mesh"
	"github.com/waybill-dev/waybill/demo-services/registry"
)

// Route is how calls reach a service of the mesh.
type Route struct {
	Service string
	// Idempotent are the methods that are called again when an instance is gone,
	// as package.Service/Method, or package.Service for all of its methods.
	Idempotent []string
	// Split is how many calls each version gets, in proportion to the sum. While
	// no instance has a version, its share goes to the others; instances of
	// versions that are not here get nothing, unless there are no others. Without
	// a split all instances are alike.
	Split map[string]uint32
	// Port is where the service listens beside a sidecar, on the loopback
	// interface, and where the sidecars of its callers listen there. 0 is a
	// service that no proxy stands before.
	Port uint16
	// HTTP is whether the service speaks HTTP/1.1, and not gRPC. Only proxies call
	// such services.
	HTTP bool
}

func (r Route) validate() error {
	if _, err := mesh.ID(r.Service); err != nil {
		return err
	}
	if r.Service == kindSidecar || r.Service == kindIngress {
		return fmt.Errorf("%s is no service's name: proxies are known by it", r.Service)
	}
	for _, method := range r.Idempotent {
		if of, _, _ := strings.Cut(method, "/"); of == "" {
			return fmt.Errorf("%s: %q is no method, as in package.Service/Method", r.Service, method)
		}
	}
	var sum uint64
	for version, weight := range r.Split {
		if version == "" {
			return fmt.Errorf("%s: a version is empty", r.Service)
		}
		sum += uint64(weight)
	}
	if len(r.Split) > 0 && (sum == 0 || sum > 1_000_000) {
		return fmt.Errorf("%s: the weights' sum is %d, want 1 to 1000000", r.Service, sum)
	}
	return nil
}

// versions are those of the split, in order.
func (r Route) versions() []string { return slices.Sorted(maps.Keys(r.Split)) }

// cluster is the name of the instances of a version; all of them for "".
func (r Route) cluster(version string) string {
	if version == "" {
		return r.Service
	}
	return r.Service + "/" + version
}

// endpoint is where an instance listens.
type endpoint struct {
	host   string
	port   uint16
	weight uint32
}

func endpointAt(instance registry.Instance) (endpoint, error) {
	address, port, err := net.SplitHostPort(instance.Address)
	if err != nil {
		return endpoint{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || address == "" {
		return endpoint{}, fmt.Errorf("%q is no host:port", instance.Address)
	}
	return endpoint{address, uint16(n), uint32(max(instance.Weight, 1))}, nil
}

// clusters are where the instances are, by cluster. A place is in each once: xDS
// refuses others, and who was killed may be in the registry beside who came
// after. The error tells of those whose address can't be read; the others are
// not to suffer from it.
func (r Route) clusters(instances []registry.Instance) (map[string][]endpoint, error) {
	var errs []error
	found := map[string][]endpoint{}
	add := func(cluster string, e endpoint) {
		same := func(other endpoint) bool { return other.host == e.host && other.port == e.port }
		if !slices.ContainsFunc(found[cluster], same) {
			found[cluster] = append(found[cluster], e)
		}
	}
	for _, instance := range instances {
		at, err := endpointAt(instance)
		if err != nil {
			errs = append(errs, fmt.Errorf("address of %s: %w", instance.ID, err))
			continue
		}
		add(r.cluster(""), at)
		if _, split := r.Split[instance.Version]; split {
			add(r.cluster(instance.Version), at)
		}
	}
	return found, errors.Join(errs...)
}

// share is a cluster's part of the calls.
type share struct {
	cluster string
	weight  uint32
}

// shares are of the clusters that have instances; of the whole service if none
// that is weighted has.
func (r Route) shares(found map[string][]endpoint) []share {
	var shares []share
	for _, version := range r.versions() {
		if cluster := r.cluster(version); len(found[cluster]) > 0 && r.Split[version] > 0 {
			shares = append(shares, share{cluster, r.Split[version]})
		}
	}
	if len(shares) == 0 {
		return []share{{r.cluster(""), 1}}
	}
	return shares
}

// at is where calls to the cluster go: to its instances, and while it has none to
// those that its share has gone to. A client learns of places and of routes one
// after the other. If the cluster were empty, calls that still come to it would
// be lost in between.
func (r Route) at(cluster string, found map[string][]endpoint) []endpoint {
	if len(found[cluster]) > 0 {
		return found[cluster]
	}
	var others []endpoint
	for _, s := range r.shares(found) {
		others = append(others, found[s.cluster]...)
	}
	return others
}
