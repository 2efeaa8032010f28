package control

import (
	"context"
	"time"
)

// settling is how long a control plane that has just started tells proxies
// nothing while it does not know of an instance of each service that they call:
// it may not know yet. gRPC's clients are told of what is known alone; Envoy
// would take what is missing from an answer to be gone.
const settling = 10 * time.Second

// places are where the instances of each service are, by cluster.
type places map[string]map[string][]endpoint

// publish tells clients what the directory knows, whenever it changes, and
// proxies their certificates in time.
func (p *Plane) publish(ctx context.Context) {
	settled := time.NewTimer(settling)
	defer settled.Stop()
	renewals := time.NewTicker(p.envoys.lifetime / 8)
	defer renewals.Stop()
	for {
		found, changed := p.look()
		p.tell(ctx, proxy{}, p.forClients, found)
		for _, client := range p.streams.proxies() {
			p.tell(ctx, client, func(found places) (resources, error) { return p.forProxy(client, found) }, found)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-p.streams.asked:
		case <-settled.C:
		case <-renewals.C:
		}
	}
}

// tell has a client be told what is said, unless that is nothing.
func (p *Plane) tell(ctx context.Context, client proxy, say func(places) (resources, error), found places) {
	said, err := say(found)
	if err == nil && said == nil {
		return
	}
	if err == nil {
		snapshot, failed := said.snapshot()
		if err = failed; err == nil {
			err = p.cache.SetSnapshot(ctx, client.part(), snapshot)
		}
	}
	if err != nil && ctx.Err() == nil {
		p.logger.Error("clients are not told of a change", "client", client.part(), "error", err)
	}
}

// look reads the directory. The channel is closed when it is to be read again.
func (p *Plane) look() (found places, changed <-chan struct{}) {
	found = places{}
	for _, route := range p.routes {
		instances, next := p.directory.Instances(route.Service)
		if changed == nil {
			changed = next
		}
		clusters, err := route.clusters(instances)
		if err != nil {
			p.logger.Warn("an instance is left out", "service", route.Service, "error", err)
		}
		found[route.Service] = clusters
		p.seen[route.Service] = p.seen[route.Service] || len(clusters) > 0
	}
	return found, changed
}

// forClients is what gRPC's own clients are told.
func (p *Plane) forClients(found places) (resources, error) {
	said := resources{}
	for _, route := range p.routes {
		if route.HTTP {
			continue
		}
		if err := said.add(route); err != nil {
			return nil, err
		}
		if p.seen[route.Service] {
			said.place(route, found[route.Service])
		}
	}
	return said, nil
}

// forProxy is what a proxy is told; nil is nothing yet.
func (p *Plane) forProxy(client proxy, found places) (resources, error) {
	reachable := places{}
	for _, route := range p.envoys.upstreams(client) {
		if !p.seen[route.Service] && time.Since(p.begun) < settling {
			return nil, nil
		}
		var err error
		if reachable[route.Service], err = ofIPs(found[route.Service]); err != nil {
			p.logger.Warn("an instance is left out", "client", client.part(), "service", route.Service, "error", err)
		}
	}
	said, renewed, err := p.envoys.resources(client, reachable, time.Now())
	if renewed && err == nil {
		p.workloads.issued.WithLabelValues(client.service).Inc()
	}
	return said, err
}
