package client

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// DNS finds instances by the addresses of a name, which is what headless
// services of Kubernetes and the services of Compose have. Put Cached around
// it.
type DNS struct {
	// Port is where the instances listen if the service's name has no port.
	Port int
	// LookupHost gives the addresses of a name; nil is that of the
	// net.DefaultResolver.
	LookupHost func(ctx context.Context, host string) ([]string, error)
}

// Resolve implements Discovery.
func (d DNS) Resolve(ctx context.Context, service string) ([]Instance, error) {
	lookup := d.LookupHost
	if lookup == nil {
		lookup = net.DefaultResolver.LookupHost
	}
	host, port := service, strconv.Itoa(d.Port)
	if h, p, err := net.SplitHostPort(service); err == nil {
		host, port = h, p
	} else if d.Port == 0 {
		port = "80"
	}
	addresses, err := lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var instances []Instance
	for _, address := range addresses {
		instances = append(instances, Instance{Address: net.JoinHostPort(address, port)})
	}
	return sorted(instances), nil
}

// SRV finds instances, ports and weights by SRV records, as those of Consul. Of
// several priorities only the first is used. Put Cached around it.
type SRV struct {
	// Service and Proto are the record's, as in _http._tcp.order; both empty
	// look up the name itself.
	Service, Proto string
	// LookupSRV is as in net.Resolver; nil is that of the net.DefaultResolver.
	LookupSRV func(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

// Resolve implements Discovery.
func (d SRV) Resolve(ctx context.Context, service string) ([]Instance, error) {
	lookup := d.LookupSRV
	if lookup == nil {
		lookup = net.DefaultResolver.LookupSRV
	}
	name, _, found := strings.Cut(service, ":")
	if found && name == "" {
		return nil, fmt.Errorf("service %q has no name", service)
	}
	_, records, err := lookup(ctx, d.Service, d.Proto, name)
	if err != nil {
		return nil, err
	}
	var instances []Instance
	for _, record := range records { // which are sorted by priority
		if record.Priority != records[0].Priority {
			break
		}
		host := strings.TrimSuffix(record.Target, ".")
		instances = append(instances, Instance{Address: net.JoinHostPort(host, strconv.Itoa(int(record.Port))), Weight: int(record.Weight)})
	}
	return sorted(instances), nil
}

// sorted gives the same instances the same order: servers of DNS turn it.
func sorted(instances []Instance) []Instance {
	slices.SortFunc(instances, func(a, b Instance) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Weight, b.Weight))
	})
	return slices.CompactFunc(instances, func(a, b Instance) bool { return a.Address == b.Address })
}
